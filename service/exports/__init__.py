"""Exports: a segment's members as a file, written by a job and kept for a day."""
