"""Texts to batches without padding, and results back into the order of the texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gloze.data.collate import end_to_end

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gloze.core.batch import Batch, Ints


def batches(
    sequences: Sequence[Ints], token_types: Sequence[Ints] | None = None, max_tokens: int = 8192
) -> Iterator[tuple[Ints, Batch]]:
    """Yield the numbers of some sequences and their batch, alike lengths together.

    Args:
        sequences: token ids of each, with [CLS] and [SEP].
        token_types: of each token; all 0 if left out.
        max_tokens: of a batch; a longer sequence stands alone. The fewer, the more alike are
            the lengths in a batch, and the less a rectangle of them wastes.
    """
    lengths = np.array([len(ids) for ids in sequences], dtype=np.int64)
    # Nothing to sort or to cut; a single text waits for each call.
    if len(sequences) == 1:
        yield np.zeros(1, dtype=np.int64), _batch([0], sequences, token_types, lengths)
        return
    order = np.argsort(-lengths, kind="stable")
    ends = np.cumsum(lengths[order])
    first = 0
    while first < len(order):
        begin = int(ends[first] - lengths[order[first]])
        last = max(first + 1, int(np.searchsorted(ends, begin + max_tokens, side="right")))
        chosen = order[first:last]
        yield chosen, _batch(chosen, sequences, token_types, lengths[chosen])
        first = last


def _batch(
    chosen: Ints | list[int],
    sequences: Sequence[Ints],
    token_types: Sequence[Ints] | None,
    lengths: Ints,
) -> Batch:
    ids = np.concatenate([sequences[i] for i in chosen], dtype=np.int64)
    types = np.zeros_like(ids)
    if token_types is not None:
        types = np.concatenate([token_types[i] for i in chosen], dtype=np.int64)
    return end_to_end(ids, types, lengths)
