"""Brief to chat messages to parsed, checked copy. Knows no model and no customer table."""
