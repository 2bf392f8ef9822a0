"""Tests of gloze.tokenizers."""
