"""Tests of gloze.text."""
