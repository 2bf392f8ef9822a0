"""The words of texts as a tokenizer sees them, and their vectors."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gloze.probes.search import unit_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from gloze.inference.features import Features
    from gloze.tokenizers import Tokenizer


class Word(NamedTuple):
    """A word of a text: where it stands, and the tokens it is made of, which name it."""

    start: int
    end: int
    name: str


class Phrase(NamedTuple):
    """Words that stand one behind the other.

    Attributes:
        names: of the words.
        between: what stands between each two of them, but for spaces.
    """

    names: list[str]
    between: list[str]

    @classmethod
    def of(cls, text: str, words: Sequence[Word]) -> Phrase:
        """Return some words of a text, in their order, as a phrase."""
        gaps = (text[one.end : other.start] for one, other in pairwise(words))
        return cls([word.name for word in words], [without_spaces(gap) for gap in gaps])


def without_spaces(text: str) -> str:
    """Return a text with nothing in the place of its spaces."""
    return "".join(text.split())


def words_of(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[Word]]:
    """Return the words of texts as the tokenizer sees them: punctuation is left out."""
    ids, lengths, offsets = tokenizer.encode_with_offsets(texts)
    starts = tokenizer.word_starts(ids, lengths)
    firsts = np.flatnonzero(starts[: len(ids)])
    ends = np.append(firsts[1:], len(ids))
    owners = np.repeat(np.arange(len(texts)), lengths)
    tokens = tokenizer.tokens(ids.tolist())
    found: list[list[Word]] = [[] for _ in texts]
    for first, end in zip(firsts.tolist(), ends.tolist(), strict=True):
        owner = int(owners[first])
        start, stop = int(offsets[first, 0]), int(offsets[end - 1, 1])
        if any(character.isalnum() for character in texts[owner][start:stop]):
            found[owner].append(Word(start, stop, " ".join(tokens[first:end])))
    return found


def vectors_at(features: Features, spans: Sequence[Word]) -> npt.NDArray[np.float32]:
    """Return the vectors of parts of a text at length 1, each of the mean of its tokens' vectors.

    Args:
        features: of the text's tokens, of one layer.
        spans: the parts; one without a token gets zeros.
    """
    token_starts = features.offsets[:, 0]
    starts = np.searchsorted(token_starts, [span.start for span in spans])
    ends = np.searchsorted(token_starts, [span.end for span in spans])
    sums = np.cumsum(np.pad(features.vectors[0].astype(np.float64), ((1, 0), (0, 0))), axis=0)
    return unit_length(sums[ends] - sums[starts])
