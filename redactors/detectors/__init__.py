"""The detectors: each finds one family of things in a text and answers with offsets, never with the text."""
