"""The typed tree of settings."""
