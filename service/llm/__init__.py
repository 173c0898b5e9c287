"""Adapters of the engine port: whatever turns chat messages into text."""
