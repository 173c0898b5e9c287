"""Proxies: models that predict clicks from copy before it is sent, and how sure they are."""
