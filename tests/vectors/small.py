"""Small tables of word vectors for tests."""

from __future__ import annotations

import numpy as np

from gloze.vectors.table import WordVectors
from gloze.vectors.words import Words


def table(words, size=8, seed=0, **changes):
    """Return random vectors for some words."""
    words = list(words)
    numbers = np.random.default_rng(seed).standard_normal((len(words), size))
    return WordVectors(Words.of(words), numbers.astype(np.float32), **changes)


def theirs(vectors):
    """Return the same vectors in gensim's hands."""
    from gensim.models import KeyedVectors

    made = KeyedVectors(vectors.size)
    made.add_vectors(list(vectors.words), np.array(vectors.vectors))
    return made
