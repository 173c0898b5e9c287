"""What people may ask of their data: erasure with a receipt, and all of it in one archive."""
