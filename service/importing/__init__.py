"""A folder of files into a workspace, by a mapping that says which file and column is what."""
