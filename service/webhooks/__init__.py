"""Webhooks: another system is told what happened here, signed, tried again, never lost without a word."""
