"""A trained model at work on texts."""
