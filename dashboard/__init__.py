"""The auditors' window: a Streamlit application over the read model, behind its own login. Presentation only."""
