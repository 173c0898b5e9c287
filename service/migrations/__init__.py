"""The database's schema, one step per change."""
