"""Static word vectors: a table with a word for each row, and what is asked of it."""
