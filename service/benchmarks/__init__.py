"""Benchmarks of the parts at scale, as commands."""
