"""Text in, clean text out: the redaction engine, usable without the rest of Lockgate."""
