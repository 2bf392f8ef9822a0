"""Tests of gloze.kernels."""
