"""Deterministic checks of written copy against its brief and its channel."""
