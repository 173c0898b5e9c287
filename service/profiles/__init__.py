"""Profiles: customers, their traits and erasure."""
