"""Vectors of texts from those of their words."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from gloze.core.errors import ConfigError
from gloze.tokenizers.whole_words import cut_words
from gloze.vectors.table import divisors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.vectors.table import Floats, WordVectors

TextPooling = Literal["mean", "idf"]


def encode_texts(
    table: WordVectors, texts: Sequence[str], pooling: TextPooling, *, normalize: bool
) -> Floats:
    """Do what :meth:`WordVectors.encode` says."""
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise ConfigError("encode takes a list of texts.")
    if pooling not in get_args(TextPooling):
        raise ConfigError(f"pooling {pooling!r}: it is one of {', '.join(get_args(TextPooling))}.")
    if pooling == "idf" and table.idf is None:
        raise ConfigError(
            "These vectors come without the weights of words (idf): give them some with "
            "gloze vectors convert --idf CORPUS."
        )
    words, lengths = cut_words(texts, table.cut)
    rows, owners = table.words.rows(words), np.repeat(np.arange(len(texts)), lengths)
    rows, owners = rows[rows >= 0], owners[rows >= 0]
    weights = np.ones(len(rows), np.float32)
    if pooling == "idf" and table.idf is not None:
        weights = table.idf[rows]
    sums = np.zeros((len(texts), table.size), np.float32)
    np.add.at(sums, owners, np.asarray(table.vectors[rows]) * weights[:, None])
    totals = np.bincount(owners, weights, minlength=len(texts)).astype(np.float32)
    if empty := len(texts) - len(np.unique(owners)):
        warnings.warn(
            f"{empty:,} of {len(texts):,} texts have no word with a vector: theirs are zeros.",
            stacklevel=3,
        )
    if normalize:
        totals = np.linalg.norm(sums, axis=1)
    found: Floats = sums / divisors(totals)[:, None]
    return found
