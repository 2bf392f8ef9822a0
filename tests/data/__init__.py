"""Tests of gloze.data."""
