"""Token vectors to one vector for each sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from gloze.core.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

# The mean of all tokens' vectors; the first token's, that of [CLS]; the largest of each number.
Pooling = Literal["mean", "cls", "max"]


@dataclass(frozen=True)
class TextVectors:
    """How one vector is made of a text.

    Attributes:
        pooling: of the tokens' last hidden states.
        normalize: to a length of 1.
        max_length: most tokens with [CLS] and [SEP]; as many as there are positions if None.
        prompt: set before every text.
    """

    pooling: Pooling = "mean"
    normalize: bool = False
    max_length: int | None = None
    prompt: str = ""

    def longest(self, positions: int) -> int:
        """Return the most tokens of a text for an encoder with so many positions."""
        return min(positions, self.max_length or positions)


def first_of_sequence(
    hidden: Float[Tensor, "tokens hidden"], batch: Batch
) -> Float[Tensor, "sequences hidden"]:
    """Return the vector of each sequence's first token, [CLS]."""
    return hidden.index_select(0, batch.cu_seqlens[:-1].long())


def mean_of_sequence(
    hidden: Float[Tensor, "tokens hidden"], batch: Batch
) -> Float[Tensor, "sequences hidden"]:
    """Return the mean of each sequence's token vectors, [CLS] and [SEP] counted in."""
    if batch.num_sequences == 1:
        return hidden.float().mean(0, keepdim=True)
    lengths = (batch.cu_seqlens[1:] - batch.cu_seqlens[:-1]).long()
    return torch.segment_reduce(hidden.float(), "mean", lengths=lengths, axis=0)


def max_of_sequence(
    hidden: Float[Tensor, "tokens hidden"], batch: Batch
) -> Float[Tensor, "sequences hidden"]:
    """Return the largest of each number over each sequence's tokens, [CLS] and [SEP] counted in."""
    lengths = (batch.cu_seqlens[1:] - batch.cu_seqlens[:-1]).long()
    return torch.segment_reduce(hidden.float(), "max", lengths=lengths, axis=0)


POOLS: dict[Pooling, Callable[[Tensor, Batch], Tensor]] = {
    "mean": mean_of_sequence,
    "cls": first_of_sequence,
    "max": max_of_sequence,
}
