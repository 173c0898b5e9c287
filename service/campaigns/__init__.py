"""Campaigns: segments x items x channels, written into a folder or as a durable job; resumable."""
