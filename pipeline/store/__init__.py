"""Engines, tables, migrations, and the read model."""
