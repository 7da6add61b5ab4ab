"""Gathers telemetry, redacts it, hands it to sinks."""
