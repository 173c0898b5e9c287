"""How good recommendations are, beside the strongest simple methods, on one split of real events."""
