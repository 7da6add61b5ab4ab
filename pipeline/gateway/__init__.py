"""The HTTP API: one request in ten steps, the wire formats, who may call what."""
