"""Campaigns: segments x items x channels, written from a file and resumable."""
