"""Token vectors to one vector for each sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gloze.core.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

# The mean of all tokens' vectors; the first token's, that of [CLS]; the largest of each number.
Pooling = Literal["mean", "cls", "max"]
# Of what reads one way also the state that it ends with; that, the largest and the mean together.
HeadPooling = Literal["mean", "cls", "max", "last", "concat"]
Ways = tuple[Literal["left_to_right", "right_to_left"], ...]


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


class Pooler(nn.Module):
    """A dense layer with tanh on each sequence's first token, [CLS]."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden_size, hidden_size)

    def forward(
        self, hidden: Float[Tensor, "tokens hidden"], batch: Batch
    ) -> Float[Tensor, "sequences hidden"]:
        """Return one vector for each sequence."""
        return torch.tanh(self.dense(hidden[batch.cu_seqlens[:-1].long()]))


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
    return torch.segment_reduce(hidden.float(), "mean", lengths=batch.lengths, axis=0)


def max_of_sequence(
    hidden: Float[Tensor, "tokens hidden"], batch: Batch
) -> Float[Tensor, "sequences hidden"]:
    """Return the largest of each number over each sequence's tokens, [CLS] and [SEP] counted in."""
    return torch.segment_reduce(hidden.float(), "max", lengths=batch.lengths, axis=0)


POOLS: dict[Pooling, Callable[[Tensor, Batch], Tensor]] = {
    "mean": mean_of_sequence,
    "cls": first_of_sequence,
    "max": max_of_sequence,
}


def last_of_sequence(
    hidden: Float[Tensor, "tokens hidden"], batch: Batch, ways: Ways = ("left_to_right",)
) -> Float[Tensor, "sequences hidden"]:
    """Return what stands where each sequence has been read to its end.

    Args:
        hidden: of each token.
        batch: its sequences.
        ways: the direction that each of as many equal parts of ``hidden`` was read in: what was
            read from the right ends at the first token.
    """
    ends = {
        "left_to_right": batch.cu_seqlens[1:].long() - 1,
        "right_to_left": batch.cu_seqlens[:-1].long(),
    }
    parts = zip(hidden.chunk(len(ways), 1), ways, strict=True)
    return torch.cat([part.index_select(0, ends[way]) for part, way in parts], 1)


def pool(
    hidden: Float[Tensor, "tokens hidden"], batch: Batch, pooling: HeadPooling, ways: Ways
) -> Float[Tensor, "sequences pooled"]:
    """Return one vector for each sequence.

    ``concat`` is the last state, the largest of each number and the mean, side by side (Howard
    and Ruder 2018, 3.3): three times as many numbers.
    """
    if pooling == "last":
        return last_of_sequence(hidden, batch, ways)
    if pooling == "concat":
        last = last_of_sequence(hidden, batch, ways).float()
        found = (max_of_sequence(hidden, batch), mean_of_sequence(hidden, batch))
        return torch.cat([last, *found], 1)
    return POOLS[pooling](hidden, batch)
