"""The rules: one file per provider or family, each with what it must catch, what it must not, and why."""
