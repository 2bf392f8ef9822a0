"""What a frozen encoder makes of labelled examples, computed once for all epochs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from gloze.core.progress import say
from gloze.tasks.model import score_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from gloze.core.batch import Batch
    from gloze.tasks.encoded import EncodedExamples


def with_features(
    encoded: EncodedExamples,
    hidden_states: Callable[[Batch], list[Tensor]],
    layers: Sequence[int],
    sizes: Sequence[int],
    max_bytes: float,
) -> EncodedExamples:
    """Return examples that bring the hidden states which a head reads.

    They are those of batches of alike lengths, the same whatever is trained on in which order:
    but for rounding, under 1e-5, those of any other batches.

    Args:
        encoded: the examples.
        hidden_states: of a batch, without dropout.
        layers: which of them are read.
        sizes: numbers in every hidden state; layers of different sizes are not kept.
        max_bytes: over which the examples are returned as they are.
    """
    own = [sizes[layer] for layer in layers]
    if len(set(own)) > 1:
        return encoded
    size = 4 * len(encoded.input_ids) * sum(own)
    if size > max_bytes:
        if max_bytes:
            say(
                f"Features of {len(encoded.input_ids):,} tokens would take {size / 1e9:.1f} GB, so "
                "they are computed anew each epoch; feature_cache_gb allows for "
                f"{max_bytes / 1e9:.1f} more."
            )
        return encoded

    def read(batch: Batch) -> Tensor:
        states = hidden_states(batch)
        return torch.cat([states[layer] for layer in layers], -1)

    rows = score_rows(read, encoded, "token")
    return replace(encoded, states=rows.reshape(len(rows), len(layers), -1))
