"""Files become documents, and paragraphs become sentences. Nothing here imports torch."""
