"""Tests of gloze.vectors."""
