"""How often tokens are met in shards, and beside how many others: what noise is drawn by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gloze.data.array_file import release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gloze.data.shards import Shards

Counts = npt.NDArray[np.int64]
_AT_ONCE = 1 << 22
# Pairs of tokens whose being there is remembered at a time, a byte each.
_PAIRS_AT_ONCE = 1 << 27


@dataclass(frozen=True)
class Neighbors:
    """Beside how many different others each token stands, in pairs inside documents.

    Attributes:
        followed: how many pairs begin with the token, [vocab].
        continuations: different tokens that follow it, [vocab].
        histories: different tokens that go before it, [vocab].
    """

    followed: Counts
    continuations: Counts
    histories: Counts


def unigram_loss(
    train: Shards, valid: Shards, known: tuple[int, int] | None = None
) -> float | None:
    """Return the loss on ``valid`` of guessing tokens by their counts in ``train``.

    That is the mark of a language model, masked or not, that is stuck. In nats for each token,
    with one added to every count; None if nothing is held out.

    Args:
        train: the split that is counted.
        valid: the split that is guessed.
        known: how many entries are guessed and the id that later ones count as; all if None.
    """
    if not valid.num_tokens:
        return None
    counts, asked = count_tokens(train), count_tokens(valid)
    if known is not None:
        counts, asked = _narrowed(counts, *known), _narrowed(asked, *known)
    shares = counts + 1.0
    return float(-(asked * np.log(shares / shares.sum())).sum() / asked.sum())


def _narrowed(counts: Counts, most: int, unknown: int) -> Counts:
    """Return the counts of the first entries, with those of all others as the unknown one's."""
    found = counts[:most].copy()
    found[unknown] += counts[most:].sum()
    return found


def count_tokens(shards: Shards) -> Counts:
    """Return how often each token is met, [vocab]."""
    counts = np.zeros(shards.vocab_size, dtype=np.int64)
    for start in range(0, shards.num_tokens, _AT_ONCE):
        counts += np.bincount(shards.tokens[start : start + _AT_ONCE], minlength=len(counts))
        release(shards.tokens)
    return counts


def count_neighbors(shards: Shards) -> Neighbors:
    """Count the different neighbors of each token, exactly.

    A table says of each pair whether it is met. It holds so many first tokens at once as fit
    into 128 MB, so memory is bounded, and the corpus is read once for each such block.
    """
    size = shards.vocab_size
    followed, continuations, histories = (np.zeros(size, dtype=np.int64) for _ in range(3))
    rows = max(1, _PAIRS_AT_ONCE // size)
    for low in range(0, size, rows):
        high = min(low + rows, size)
        is_met = np.zeros((high - low) * size, dtype=bool)
        for first, second in _pairs(shards):
            inside = (first >= low) & (first < high)
            met = first[inside]
            followed += np.bincount(met, minlength=size)
            is_met[(met - low) * size + second[inside]] = True
        table = is_met.reshape(high - low, size)
        continuations[low:high] = np.count_nonzero(table, axis=1)
        histories += np.count_nonzero(table, axis=0)
    return Neighbors(followed, continuations, histories)


def _pairs(shards: Shards) -> Iterator[tuple[Counts, Counts]]:
    """Return the tokens that stand side by side in a document, some millions at a time."""
    begins = shards.sentences[shards.documents[:-1]]
    for start in range(0, shards.num_tokens - 1, _AT_ONCE):
        some = shards.tokens[start : start + _AT_ONCE + 1].astype(np.int64)
        beside = np.ones(len(some) - 1, dtype=bool)
        low, high = np.searchsorted(begins, (start + 1, start + len(some)))
        beside[begins[low:high] - start - 1] = False
        yield some[:-1][beside], some[1:][beside]
