"""Importers: what other gateways are configured with, turned into a document of ours. They resolve nothing and quote no value."""
