"""Texts that a person brings: checked, scored, put in an order, with reasons."""
