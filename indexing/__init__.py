"""Text to vectors to profiles to neighbours to audiences. Knows nothing of HTTP, SQL or prompts."""
