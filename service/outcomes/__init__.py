"""Outcomes: what people did with copy that was sent, and what it says about copy that is not."""
