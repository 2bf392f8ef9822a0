"""How the sequences of a batch lie: what attention kernels need, worked out once a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
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
        before: tokens of each sequence that a cache has, [sequences]; None without a cache.
    """

    cu_seqlens: Tensor
    position_ids: Tensor
    max_seqlen: int
    direction: str = "bidirectional"
    before: Tensor | None = None

    @classmethod
    def of(cls, batch: Batch, direction: str) -> Layout:
        """Return the layout of a batch."""
        return cls(batch.cu_seqlens, batch.position_ids, batch.max_seqlen, direction)

    @property
    def num_sequences(self) -> int:
        """Number of sequences."""
        return self.cu_seqlens.shape[0] - 1

    @property
    def num_tokens(self) -> int:
        """Number of tokens of all sequences."""
        return self.position_ids.shape[0]

    @property
    def is_even(self) -> bool:
        """Whether all sequences are of one length."""
        return self.num_sequences * self.max_seqlen == self.num_tokens

    @property
    def is_single(self) -> bool:
        """Whether there is one sequence, whose tokens are a rectangle as they lie."""
        return self.num_sequences == 1 and self.is_even

    @cached_property
    def lengths(self) -> Int[Tensor, " sequences"]:
        """Tokens of each sequence."""
        return (self.cu_seqlens[1:] - self.cu_seqlens[:-1]).long()

    @cached_property
    def mask(self) -> Bool[Tensor, "sequences 1 queries keys"] | None:
        """Which keys each query may see in a rectangle of the sequences; None if all of them."""
        if self.direction == "bidirectional" and self.is_even:
            return None
        places = torch.arange(self.max_seqlen, device=self.position_ids.device)
        visible = places < self.lengths[:, None]
        if self.direction == "bidirectional":
            return visible[:, None, None, :]
        order = places[:, None] - places[None, :]
        seen = order >= 0 if self.direction == "left_to_right" else order <= 0
        # A padded query sees itself, or its softmax over nothing would be NaN.
        return ((visible[:, None, :] & seen) | (order == 0))[:, None]

    @cached_property
    def owners(self) -> Int[Tensor, " tokens"]:
        """The number of each token's sequence."""
        numbers = torch.arange(self.num_sequences, device=self.position_ids.device)
        return torch.repeat_interleave(numbers, self.lengths, output_size=self.num_tokens)

    @cached_property
    def places_after(self) -> Int[Tensor, " tokens"]:
        """The place of each token in its sequence with what a cache has of it."""
        assert self.before is not None
        return self.position_ids + self.before[self.owners]

    @cached_property
    def longest_before(self) -> int:
        """Tokens that a cache has of the longest sequence."""
        return 0 if self.before is None else int(self.before.max())

    @cached_property
    def longest_after(self) -> int:
        """Tokens of the longest sequence with those that a cache has."""
        return self.max_seqlen if self.before is None else int((self.before + self.lengths).max())

    @cached_property
    def mask_after(self) -> Bool[Tensor, "sequences 1 queries keys"]:
        """Which keys, those of a cache among them, each new token may see; left to right."""
        assert self.before is not None
        device = self.position_ids.device
        own = self.before[:, None] + torch.arange(self.max_seqlen, device=device)
        return torch.arange(self.longest_after, device=device) <= own[:, None, :, None]

    def bias(self, heads: int, dtype: torch.dtype) -> Float[Tensor, "matrices queries keys"] | None:
        """Return the mask as numbers to add to the scores of each head; None if all are seen."""
        if self.mask is None:
            return None
        key = (heads, dtype)
        if key not in self._biases:
            bias = torch.zeros_like(self.mask, dtype=dtype).masked_fill_(~self.mask, -torch.inf)
            sizes = (-1, heads, self.max_seqlen, -1)
            self._biases[key] = bias.expand(sizes).flatten(0, 1)
        return self._biases[key]

    def moves(self, parts: int, heads: int) -> tuple[Int[Tensor, " places"], Int[Tensor, " rows"]]:
        """Return how rows [tokens x parts x heads] lie in [parts x sequences x heads x longest].

        Returns:
            For each place of the rectangles the row to put there, any row where there is no
            token; and for each row its place.
        """
        if (parts, heads) not in self._moves:
            device = self.position_ids.device
            part = torch.arange(parts, device=device)[:, None]
            head = torch.arange(heads, device=device)
            sequence = self.owners[:, None, None]
            matrix = (part * self.num_sequences + sequence) * heads + head
            back = (matrix * self.max_seqlen + self.position_ids[:, None, None]).flatten()
            there = back.new_zeros(parts * self.num_sequences * heads * self.max_seqlen)
            there[back] = torch.arange(len(back), device=device)
            self._moves[parts, heads] = (there, back)
        return self._moves[parts, heads]

    @cached_property
    def _biases(self) -> dict[tuple[int, torch.dtype], Tensor]:
        return {}

    @cached_property
    def _moves(self) -> dict[tuple[int, int], tuple[Tensor, Tensor]]:
        return {}
