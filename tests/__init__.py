"""Tests of gloze."""
