"""Segment's tracking calls, so that a source made for it can send here unchanged."""
