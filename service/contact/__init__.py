"""Whom may be written to: consent, suppression, frequency caps, a holdout; and who is left of an audience."""
