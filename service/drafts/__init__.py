"""Drafts: briefs answered with ranked variants."""
