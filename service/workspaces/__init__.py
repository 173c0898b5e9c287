"""Workspaces: one brand's settings and keys, which nothing crosses."""
