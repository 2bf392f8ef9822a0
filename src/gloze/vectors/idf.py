"""Weights of words by how few documents have them."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gloze.core.errors import DataError
from gloze.tokenizers.whole_words import cut_words
from gloze.vectors.lines import look_up

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gloze.data.shards import Shards
    from gloze.vectors.table import Floats, WordVectors

_DOCUMENTS_AT_ONCE = 256


def document_weights(vectors: WordVectors, documents: Iterable[str]) -> Floats:
    """Return ``log((1 + documents) / (1 + documents with the word)) + 1`` of each word, [words].

    That is the smoothed weight of scikit-learn; a word that no document has gets the highest.

    Raises:
        DataError: if there are no documents.
    """
    met, total = np.zeros(len(vectors), np.int64), 0
    every = iter(documents)
    while some := list(islice(every, _DOCUMENTS_AT_ONCE)):
        words, lengths = cut_words(some, vectors.cut)
        rows, owners = look_up(vectors, words), np.repeat(np.arange(len(some)), lengths)
        pairs = np.unique(np.stack([owners[rows >= 0], rows[rows >= 0]]), axis=1)
        met += np.bincount(pairs[1], minlength=len(vectors))
        total += len(some)
    if not total:
        raise DataError("no documents to count words in.")
    return _weights(met, total)


def document_weights_of(shards: Shards) -> Floats:
    """Return the same weight of each token of shards, [vocab]."""
    ends = np.asarray(shards.sentences)[shards.documents]
    met = np.zeros(shards.vocab_size, np.int64)
    for begin, end in pairwise(ends.tolist()):
        met[np.unique(shards.tokens[begin:end])] += 1
    return _weights(met, shards.num_documents)


def _weights(met: npt.NDArray[np.int64], total: int) -> Floats:
    weights: Floats = (np.log((1 + total) / (1 + met)) + 1).astype(np.float32)
    return weights
