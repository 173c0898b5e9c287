"""Scorers: numbers for written copy, the same online (ranking a draft) and offline (a suite)."""
