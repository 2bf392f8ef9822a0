"""Vectors of texts from those of their words."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from gloze.core.errors import ConfigError
from gloze.tokenizers.whole_words import cut_words
from gloze.vectors.lines import look_up
from gloze.vectors.table import divisors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.vectors.table import Floats, WordVectors
    from gloze.vectors.words import Rows

# Of the vectors of a text's words, or bags of words, which need none.
TextPooling = Literal["mean", "idf", "counts", "tf-idf"]
BAGS = ("counts", "tf-idf")
_WEIGHTED = ("idf", "tf-idf")


def encode_texts(
    table: WordVectors, texts: Sequence[str], pooling: TextPooling, *, normalize: bool
) -> Floats:
    """Do what :meth:`WordVectors.encode` says."""
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise ConfigError("encode takes a list of texts.")
    if pooling not in get_args(TextPooling):
        raise ConfigError(f"pooling {pooling!r}: it is one of {', '.join(get_args(TextPooling))}.")
    check_weights(table, pooling)
    words, lengths = cut_words(texts, table.cut)
    rows, owners = look_up(table, words), np.repeat(np.arange(len(texts)), lengths)
    found = pool_rows(table, rows, owners, len(texts), pooling)
    if empty := len(texts) - len(np.unique(owners[rows >= 0])):
        warnings.warn(
            f"{empty:,} of {len(texts):,} texts have no word with a vector: theirs are zeros.",
            stacklevel=3,
        )
    if normalize:
        found = found / divisors(np.linalg.norm(found, axis=1))[:, None]
    return found


def check_weights(table: WordVectors, pooling: str) -> None:
    """Refuse to weigh words that have no weights.

    Raises:
        ConfigError: if ``pooling`` weighs them and they have none.
    """
    if pooling in _WEIGHTED and table.idf is None:
        raise ConfigError(
            "These vectors come without the weights of words (idf): give them some with "
            "gloze vectors convert --idf CORPUS."
        )


def pool_rows(
    table: WordVectors, rows: Rows, owners: Rows, count: int, pooling: TextPooling
) -> Floats:
    """Return the means of some rows, zeros where there is none, [count, size].

    Args:
        table: of vectors.
        rows: one for each word; -1 has no share.
        owners: which mean each word has a share in.
        count: how many there are.
        pooling: ``idf`` weighs words by :attr:`WordVectors.idf`, if the table has it; ``counts``
            and ``tf-idf`` return how often each word of the table is there, [count, words], the
            second times its weight.
    """
    owners, rows = owners[rows >= 0], rows[rows >= 0]
    weights = np.ones(len(rows), np.float32)
    if pooling in _WEIGHTED and table.idf is not None:
        weights = table.idf[rows]
    if pooling in BAGS:
        bags = np.zeros((count, len(table)), np.float32)
        np.add.at(bags, (owners, rows), weights)
        return bags
    sums = np.zeros((count, table.size), np.float32)
    np.add.at(sums, owners, np.asarray(table.vectors[rows]) * weights[:, None])
    totals = np.bincount(owners, weights, minlength=count).astype(np.float32)
    found: Floats = sums / divisors(totals)[:, None]
    return found
