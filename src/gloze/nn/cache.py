"""What a one-way Transformer has read, kept so that the next token costs a token's work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gloze.nn.layout import Layout

if TYPE_CHECKING:
    from gloze.core.batch import Batch


class LayerCache:
    """One layer's keys and values: a rectangle of sequences, which grows as they do."""

    def __init__(self) -> None:
        # [keys and values, sequences, heads, room, head_size]
        self._kept: Tensor | None = None

    def add(
        self, heads: Float[Tensor, "tokens 3 heads head_size"], layout: Layout
    ) -> Float[Tensor, "2 sequences heads seen head_size"]:
        """Keep the keys and values of new tokens; return all that each sequence has.

        Places past the end of a sequence hold zeros, or what must not be read.
        """
        kept = self._with_room(heads, layout)
        kept[:, layout.owners, :, layout.places_after] = heads[:, 1:]
        return kept[:, :, :, : layout.longest_after]

    def select(self, sequences: Int[Tensor, " chosen"]) -> None:
        """Go on with these sequences, each as often as it is named."""
        if self._kept is not None:
            self._kept = self._kept.index_select(1, sequences)

    def _with_room(self, heads: Tensor, layout: Layout) -> Tensor:
        old, needed = self._kept, layout.longest_after
        if old is None or old.shape[3] < needed:
            room = needed if old is None else max(needed, 2 * old.shape[3])
            count, size = heads.shape[2:]
            new = heads.new_zeros(2, layout.num_sequences, count, room, size)
            if old is not None:
                new[:, :, :, : old.shape[3]] = old
            self._kept = old = new
        return old


class Cache:
    """Each layer's keys and values for the tokens that some sequences began with.

    Attributes:
        layers: from the input up.
        lengths: tokens of each sequence that were read, [sequences]; None before the first.
    """

    def __init__(self, num_layers: int) -> None:
        self.layers = [LayerCache() for _ in range(num_layers)]
        self.lengths: Tensor | None = None

    def layout(self, batch: Batch, direction: str) -> Layout:
        """Return how new tokens lie, each sequence's behind what was read of it."""
        new = Layout.of(batch, direction)
        before = torch.zeros_like(new.lengths) if self.lengths is None else self.lengths
        return replace(new, before=before)

    def note(self, layout: Layout) -> None:
        """Note that the layers have read these tokens."""
        assert layout.before is not None
        self.lengths = layout.before + layout.lengths

    def select(self, sequences: Int[Tensor, " chosen"]) -> None:
        """Go on with these sequences, in this order, each as often as it is named."""
        if self.lengths is not None:
            self.lengths = self.lengths[sequences]
        for layer in self.layers:
            layer.select(sequences)
