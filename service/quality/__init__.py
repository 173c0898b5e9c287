"""What is odd about the data: counted per import and per source, and looked for in the store."""
