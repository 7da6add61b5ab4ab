"""Configuration of two kinds, never mixed: the document (YAML) and the process (environment)."""
