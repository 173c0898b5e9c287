"""Scorers, click proxies, suites and reports: how good the copy and the audiences are."""
