"""Audit events in the formats that others read. Every function takes rows of the read model, which are redacted already."""
