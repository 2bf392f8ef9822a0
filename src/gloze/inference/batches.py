"""Texts to batches without padding, and results back into the order of the texts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from gloze.data.collate import end_to_end

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gloze.core.batch import Batch, Ints
    from gloze.tokenizers.spelling import Spelled


def batches(
    sequences: Sequence[Ints],
    token_types: Sequence[Ints] | None = None,
    max_tokens: int = 8192,
    characters: Sequence[Spelled] | None = None,
) -> Iterator[tuple[Ints, Batch]]:
    """Yield the numbers of some sequences and their batch, alike lengths together.

    Args:
        sequences: token ids of each, with [CLS] and [SEP].
        token_types: of each token; all 0 if left out.
        max_tokens: of a batch; a longer sequence stands alone. The fewer, the more alike are
            the lengths in a batch, and the less a rectangle of them wastes.
        characters: of each token, for encoders that read them.
    """
    given = _Given(sequences, token_types, characters)
    lengths = np.array([len(ids) for ids in sequences], dtype=np.int64)
    # Nothing to sort or to cut; a single text waits for each call.
    if len(sequences) == 1:
        yield np.zeros(1, dtype=np.int64), given.batch([0], lengths)
        return
    order = np.argsort(-lengths, kind="stable")
    ends = np.cumsum(lengths[order])
    first = 0
    while first < len(order):
        begin = int(ends[first] - lengths[order[first]])
        last = max(first + 1, int(np.searchsorted(ends, begin + max_tokens, side="right")))
        chosen = order[first:last]
        yield chosen, given.batch(chosen, lengths[chosen])
        first = last


class _Given(NamedTuple):
    """What batches are made of, sequence by sequence."""

    ids: Sequence[Ints]
    types: Sequence[Ints] | None
    characters: Sequence[Spelled] | None

    def batch(self, chosen: Ints | list[int], lengths: Ints) -> Batch:
        ids = np.concatenate([self.ids[i] for i in chosen], dtype=np.int64)
        types = np.zeros_like(ids)
        if self.types is not None:
            types = np.concatenate([self.types[i] for i in chosen], dtype=np.int64)
        batch = end_to_end(ids, types, lengths)
        if self.characters is None:
            return batch
        spelled = np.concatenate([self.characters[i] for i in chosen])
        return replace(batch, characters=torch.from_numpy(spelled))
