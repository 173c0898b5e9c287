"""Profiles: customers, their traits, consent and erasure."""
