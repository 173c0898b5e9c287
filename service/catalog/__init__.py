"""The catalogue: what is advertised."""
