"""LSTMs over sequences laid end to end."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from gloze.core.batch import Batch
from gloze.nn.dropout import Dropout


class BiLSTM(nn.Module):
    """Layers that read each sequence from both ends (Graves and Schmidhuber 2005).

    Nothing is computed past the end of a sequence. The weights start as PyTorch's do, evenly
    spread up to ``size ** -0.5``; it computes in float32, also under autocast.

    Attributes:
        output_size: numbers at each token, ``2 * size``: what was read from the left, then what
            was read from the right.
    """

    def __init__(self, *, input_size: int, size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.output_size = 2 * size
        sizes = [input_size, *[2 * size] * (num_layers - 1)]
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(_BothWays(width, size) for width in sizes)

    def forward(
        self, x: Float[Tensor, "tokens inputs"], batch: Batch
    ) -> Float[Tensor, "tokens outputs"]:
        """Return each token in the light of its sequence; dropout goes before every layer."""
        order, sizes = by_steps(batch)
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()[order]
            for layer in self.layers:
                x = layer(self.dropout(x), sizes)
        return torch.empty_like(x).index_copy(0, order, x)


class _BothWays(nn.Module):
    """One layer; PyTorch's kernel, which has been compiled already."""

    compiles = False

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        self.cells = nn.LSTM(input_size, size, bidirectional=True)

    def forward(
        self, x: Float[Tensor, "tokens inputs"], sizes: Tensor
    ) -> Float[Tensor, "tokens outputs"]:
        output: Tensor = self.cells(PackedSequence(x, sizes))[0].data
        return output


def by_steps(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the order in which a recurrent net reads tokens, and how many at each step.

    At step t it reads token t of every sequence that has one, the longest sequence first.

    Returns:
        The tokens' places in the batch, [tokens]; the tokens of each step, [steps], on the CPU,
        where PyTorch wants it.
    """
    reading = Reading.of(batch)
    return reading.order, torch.tensor(reading.sizes)


@dataclass(frozen=True)
class Reading:
    """The tokens of a batch step after step: what a recurrent net reads at once.

    Attributes:
        order: the tokens' places in the batch, [tokens].
        rows: which row of its step each of them is, [tokens], in this order.
        sizes: tokens of each step; they never rise.
        sequences: which sequence each row is, the longest first, [sequences].
    """

    order: Int[Tensor, " tokens"]
    rows: Int[Tensor, " tokens"]
    sizes: list[int]
    sequences: Int[Tensor, " sequences"]

    @classmethod
    def of(cls, batch: Batch, direction: str = "left_to_right") -> Reading:
        """Return how a batch is read: at step t token t of each sequence, or the t-th last."""
        lengths = batch.lengths
        sequences = lengths.argsort(descending=True, stable=True)
        rank = sequences.argsort()
        rows = rank.repeat_interleave(lengths, output_size=batch.num_tokens)
        steps = batch.position_ids
        if direction == "right_to_left":
            ends = lengths.repeat_interleave(lengths, output_size=batch.num_tokens)
            steps = ends - 1 - steps
        order = (steps * batch.num_sequences + rows).argsort()
        sizes = torch.bincount(steps, minlength=batch.max_seqlen).tolist()
        return cls(order, rows[order], sizes, sequences)
