"""Tests of gloze.verbs."""
