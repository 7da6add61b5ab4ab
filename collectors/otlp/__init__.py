"""OTLP: encoding, sending, receiving."""
