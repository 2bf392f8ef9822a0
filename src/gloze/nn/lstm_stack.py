"""Layers of LSTMs that read one way, with what language models put between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gloze.nn.dropout import dropout
from gloze.nn.lstm import Reading
from gloze.nn.recurrence import recur
from gloze.nn.rows import round_up_rows

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True)
class LSTMSizes:
    """Of one layer.

    Attributes:
        input_size: numbers that come from below.
        cell_size: cells.
        size: numbers of a state: the cells', or fewer by a projection.
        has_projection: whether states are a product with the cells' output.
        cell_clip, state_clip: most that a cell and a projected state may be; None for no limit.
    """

    input_size: int
    cell_size: int
    size: int
    has_projection: bool = False
    cell_clip: float | None = None
    state_clip: float | None = None


class LSTMLayer(nn.Module):
    """One LSTM, from left to right or from right to left as its tokens are laid.

    Weights start evenly spread up to ``cell_size ** -0.5``, as PyTorch's; biases at 0, and at 1
    for the forget gate (Jozefowicz et al. 2015).

    Attributes:
        input: to the gates: input, forget, candidate and output, with their bias.
        recurrent: from the state before to the gates.
        projection: from cells to the state, if there is one.
    """

    def __init__(self, sizes: LSTMSizes, weight_dropout: float = 0.0) -> None:
        super().__init__()
        self.sizes, self.weight_dropout = sizes, weight_dropout
        cells = sizes.cell_size
        self.input = nn.Linear(sizes.input_size, 4 * cells)
        self.recurrent = nn.Linear(sizes.size, 4 * cells, bias=False)
        if sizes.has_projection:
            self.projection = nn.Linear(cells, sizes.size, bias=False)
        for weight in self.parameters():
            nn.init.uniform_(weight, -(cells**-0.5), cells**-0.5)
        nn.init.zeros_(self.input.bias)
        nn.init.ones_(self.input.bias[cells : 2 * cells])

    def forward(
        self,
        x: Float[Tensor, "tokens inputs"],
        sizes: Sequence[int],
        start: Float[Tensor, "rows start"],
    ) -> tuple[Float[Tensor, "tokens size"], Float[Tensor, "rows start"]]:
        """Return the state of each token, and what each row could go on from.

        Args:
            x: of tokens step after step.
            sizes: tokens of each step.
            start: the state and the cells of each row, side by side.
        """
        own = self.sizes
        # DropConnect on what is used again at every step (Wan et al. 2013; Merity et al. 2018).
        rate = self.weight_dropout if self.training else 0.0
        weight = dropout(self.recurrent.weight, rate)
        gates = self.input(round_up_rows(x))[: len(x)]
        state, cells = start.split((own.size, own.cell_size), 1)
        projection = self.projection.weight.to(gates.dtype) if own.has_projection else None
        outputs, *last = recur(
            gates,
            sizes,
            (state, cells),
            weight.to(gates.dtype),
            projection,
            cell_clip=own.cell_clip,
            state_clip=own.state_clip,
        )
        return outputs, torch.cat(last, 1)


class LSTMStack(nn.Module):
    """Layers one above the other that all read in one direction.

    Attributes:
        carried_size: numbers that a sequence goes on from: states and cells of all layers.
    """

    def __init__(
        self,
        layers: Sequence[LSTMSizes],
        *,
        residual: bool = False,
        dropout: float = 0.0,
        weight_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.residual, self.dropout = residual, dropout
        self.layers = nn.ModuleList(LSTMLayer(sizes, weight_dropout) for sizes in layers)
        self._widths = [sizes.size + sizes.cell_size for sizes in layers]
        self.carried_size = sum(self._widths)

    def forward(
        self,
        x: Float[Tensor, "tokens inputs"],
        reading: Reading,
        start: Float[Tensor, "sequences carried"],
    ) -> tuple[list[Tensor], Float[Tensor, "sequences carried"]]:
        """Return the states of each layer, [tokens, size], and what sequences could go on from.

        Args:
            x: of the batch's tokens as they lie.
            reading: in one direction, which is the stack's.
            start: what each sequence goes on from.
        """
        starts = start[reading.sequences].split(self._widths, 1)
        below, found, last = x[reading.order], [], []
        for number, (layer, own) in enumerate(zip(self.layers, starts, strict=True)):
            if number:
                below = self.drop(below, reading)
            outputs, end = layer(below, reading.sizes, own)
            if self.residual and number:
                outputs = outputs + below
            found.append(torch.empty_like(outputs).index_copy(0, reading.order, outputs))
            last.append(end)
            below = outputs
        ends = torch.cat(last, 1)
        return found, torch.empty_like(ends).index_copy(0, reading.sequences, ends)

    def drop(self, x: Float[Tensor, "tokens size"], reading: Reading) -> Tensor:
        """Drop the same numbers at all tokens of a sequence (Gal and Ghahramani 2016)."""
        return drop_alike(x, reading.rows, len(reading.sequences), self.dropout * self.training)


def drop_alike(x: Tensor, groups: Tensor, num_groups: int, rate: float) -> Tensor:
    """Return ``x`` with the same numbers zeroed in all rows of a group, the rest scaled up.

    Args:
        x: [rows, size].
        groups: of each row, [rows].
        num_groups: how many there are.
        rate: share to zero.
    """
    if not rate:
        return x
    kept = dropout(x.new_ones(num_groups, x.shape[1]), rate)
    return x * F.embedding(groups, kept)
