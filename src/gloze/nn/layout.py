"""How the sequences of a batch lie: what attention kernels need, worked out once a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from gloze.core.batch import Batch


@dataclass(frozen=True)
class Layout:
    """Where each sequence starts and what its tokens may see.

    Attributes:
        cu_seqlens: start of each sequence and the end of the last, [sequences + 1] int32.
        position_ids: place of each token in its sequence, [tokens].
        max_seqlen: tokens of the longest sequence.
        direction: ``bidirectional``, ``left_to_right`` or ``right_to_left``.
    """

    cu_seqlens: Tensor
    position_ids: Tensor
    max_seqlen: int
    direction: str = "bidirectional"

    @classmethod
    def of(cls, batch: Batch, direction: str) -> Layout:
        """Return the layout of a batch."""
        return cls(batch.cu_seqlens, batch.position_ids, batch.max_seqlen, direction)

    @property
    def num_sequences(self) -> int:
        """Number of sequences."""
        return self.cu_seqlens.shape[0] - 1

    @cached_property
    def is_even(self) -> bool:
        """Whether all sequences are of one length, so that a view makes them a rectangle."""
        return self.num_sequences * self.max_seqlen == self.position_ids.shape[0]

    @cached_property
    def lengths(self) -> Int[Tensor, " sequences"]:
        """Tokens of each sequence."""
        return (self.cu_seqlens[1:] - self.cu_seqlens[:-1]).long()

    @cached_property
    def slots(self) -> Int[Tensor, " tokens"]:
        """Place of each token in a rectangle [sequences x max_seqlen], flattened."""
        total = self.position_ids.shape[0]
        rows = torch.arange(self.num_sequences, device=self.position_ids.device)
        row = torch.repeat_interleave(rows, self.lengths, output_size=total)
        return row * self.max_seqlen + self.position_ids

    @cached_property
    def mask(self) -> Bool[Tensor, "sequences 1 queries keys"] | None:
        """Which keys each query may see in that rectangle; None if all of them."""
        places = torch.arange(self.max_seqlen, device=self.position_ids.device)
        visible = places < self.lengths[:, None]
        if self.direction == "bidirectional":
            return None if self.is_even else visible[:, None, None, :]
        order = places[:, None] - places[None, :]
        seen = order >= 0 if self.direction == "left_to_right" else order <= 0
        # A padded query sees itself, or its softmax over nothing would be NaN.
        return ((visible[:, None, :] & seen) | (order == 0))[:, None]
