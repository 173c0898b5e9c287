"""Segments: named, versioned audience definitions."""
