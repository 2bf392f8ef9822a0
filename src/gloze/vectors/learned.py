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
) -> WordVectors:
    """Return the vectors of all tokens but the special ones, the most frequent first.

    Args:
        tokenizer: whose tokens they are, so that texts are cut as it cuts them.
        counts: how often each was met, [vocab].
        vectors: of each, [vocab, size].
        context: the other set, [vocab, size], if there is one.
        idf: weight of each in a text, [vocab], if it is known.
    """
    words = np.setdiff1d(np.arange(tokenizer.vocab_size), tokenizer.special_ids)
    order = words[np.argsort(-counts[words], kind="stable")]
    found = config_of(tokenizer)
    return WordVectors(
        Words.of(tokenizer.tokens(order.tolist())),
        vectors[order],
        context=None if context is None else context[order],
        counts=counts[order],
        idf=None if idf is None else idf[order],
        cut=found and replace(found, kind="words", vocab_size=tokenizer.vocab_size),
    )
