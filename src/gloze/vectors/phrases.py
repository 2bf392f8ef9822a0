"""Phrases: words that are side by side more often than by chance (Mikolov et al. 2013b, 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from gloze.data.pair_counts import PairCounts

JOINT = "_"


def find_phrases(
    counts: PairCounts,
    words: Sequence[str],
    word_counts: npt.NDArray[np.int64],
    *,
    threshold: float,
    min_count: int,
) -> dict[tuple[str, str], float]:
    """Return the pairs of words that are phrases, with their scores, highest first.

    The score is ``(n(a b) - min_count) * N / (n(a) * n(b))``, where N are all words of the text,
    as in the published program; a phrase has one over ``threshold``, and words that are met
    ``min_count`` times.

    Args:
        counts: of words and the one after each.
        words: by token.
        word_counts: by token.
        threshold: the higher, the fewer phrases.
        min_count: of words, and what is taken from the count of a pair.
    """
    total, ids = int(word_counts.sum()), counts.ids
    found: dict[tuple[str, str], float] = {}
    for first, second, together in counts.rows():
        one, other = word_counts[ids[first]], word_counts[ids[second]]
        scores = (together - min_count) / one / other * total
        is_phrase = (scores > threshold) & (np.minimum(one, other) >= min_count)
        for at in np.flatnonzero(is_phrase).tolist():
            pair = words[ids[first[at]]], words[ids[second[at]]]
            found[pair] = float(scores[at])
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def join_phrases(words: Iterable[str], phrases: Mapping[tuple[str, str], float]) -> Iterator[str]:
    """Yield the words of a sentence, those of a phrase as one, from left to right."""
    before: str | None = None
    for word in words:
        if before is not None and (before, word) in phrases:
            yield f"{before}{JOINT}{word}"
            before = None
        else:
            if before is not None:
                yield before
            before = word
    if before is not None:
        yield before
