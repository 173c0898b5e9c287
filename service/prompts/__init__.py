"""Prompts as a workspace uses them: shipped, from a folder, or its own."""
