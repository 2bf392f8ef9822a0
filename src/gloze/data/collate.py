"""Samples to the tensors of a batch."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import torch

from gloze.core.batch import Batch, Ints, Samples
from gloze.core.ranges import places

if TYPE_CHECKING:
    from collections.abc import Iterator


def collate(samples: Samples) -> Batch:
    """Return the batch of some samples: the same sequences end to end, no padding added."""
    return replace(
        end_to_end(samples.input_ids, samples.token_type_ids, samples.lengths),
        sizes=None if samples.sizes is None else torch.from_numpy(samples.sizes),
        states=None if samples.states is None else torch.from_numpy(samples.states),
        labels={name: torch.from_numpy(x) for name, x in samples.labels.items()},
        label_positions={name: torch.from_numpy(x) for name, x in samples.label_positions.items()},
        lanes=samples.lanes,
        places=None if samples.places is None else torch.from_numpy(samples.places),
        indices=samples.indices,
    )


def end_to_end(input_ids: Ints, token_type_ids: Ints, lengths: Ints) -> Batch:
    """Return a batch of sequences that lie end to end, and of nothing else."""
    # A few lengths: lists are sooner done with them than arrays.
    sizes = lengths.tolist()
    ends = np.array([0, *accumulate(sizes)], dtype=np.int32)
    return Batch(
        input_ids=torch.from_numpy(input_ids),
        position_ids=torch.from_numpy(places(lengths)),
        token_type_ids=torch.from_numpy(token_type_ids),
        cu_seqlens=torch.from_numpy(ends),
        max_seqlen=max(sizes, default=0),
    )


def collate_parts(samples: Samples, max_tokens: int) -> Iterator[Batch]:
    """Return batches of at most ``max_tokens`` each; a longer single sample stands alone."""
    for first, last in cut_parts(samples.sample_lengths, max_tokens):
        yield collate(samples.part(first, last))


def cut_parts(lengths: Ints, max_tokens: int) -> list[tuple[int, int]]:
    """Return first and end of each run of samples that have at most ``max_tokens`` together."""
    ends = np.cumsum(lengths)
    parts, first = [], 0
    while first < len(ends):
        begin = int(ends[first] - lengths[first])
        last = max(first + 1, int(np.searchsorted(ends, begin + max_tokens, side="right")))
        parts.append((first, last))
        first = last
    return parts
