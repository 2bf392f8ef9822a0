"""The table of word vectors that a training ends with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gloze.tokenizers import config_of
from gloze.vectors.table import WordVectors
from gloze.vectors.words import Words

if TYPE_CHECKING:
    import numpy.typing as npt

    from gloze.tokenizers import Tokenizer
    from gloze.vectors.table import Floats


def learned_vectors(
    tokenizer: Tokenizer,
    counts: npt.NDArray[np.int64],
    vectors: Floats,
    *,
    context: Floats | None = None,
    idf: Floats | None = None,
    ids: npt.NDArray[np.int64] | None = None,
) -> WordVectors:
    """Return the vectors of all tokens but the special ones, the most frequent first.

    Args:
        tokenizer: whose tokens they are, so that texts are cut as it cuts them.
        counts: how often each was met, [vocab].
        vectors: of each, [vocab, size], or of those of ``ids``.
        context: the other set, as many, if there is one.
        idf: weight of each token in a text, [vocab], if it is known.
        ids: tokens that have a vector, none of them special; all by default.
    """
    if ids is None:
        ids = np.setdiff1d(np.arange(tokenizer.vocab_size), tokenizer.special_ids)
        vectors, context = vectors[ids], None if context is None else context[ids]
    order = np.argsort(-counts[ids], kind="stable")
    ids, found = ids[order], config_of(tokenizer)
    size = len(ids) + len(tokenizer.special_ids)
    return WordVectors(
        Words.of(tokenizer.tokens(ids.tolist())),
        vectors[order],
        context=None if context is None else context[order],
        counts=counts[ids],
        idf=None if idf is None else idf[ids],
        cut=found and replace(found, kind="words", vocab_size=size),
    )
