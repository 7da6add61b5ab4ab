"""The only place that constructs things: config in, running parts out."""
