"""Other people's files: Hugging Face models, read and written."""
