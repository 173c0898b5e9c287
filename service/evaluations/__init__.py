"""Evaluations: the commands that measure."""
