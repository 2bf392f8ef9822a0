"""Files to documents to sentences."""
