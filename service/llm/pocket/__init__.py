"""The embedded model: a small causal language model this project trains itself, and how it is made."""
