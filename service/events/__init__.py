"""Events: what profiles did."""
