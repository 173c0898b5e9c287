"""Snapshots: the store read into columns, built and published."""
