"""The recurrence of an LSTM over sequences of different lengths, forward and backward in time."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from gloze.nn.packed import product_with

if TYPE_CHECKING:
    from collections.abc import Sequence

_backward = torch.ops.aten


def recur(
    inputs: Float[Tensor, "tokens gates"],
    sizes: Sequence[int],
    start: tuple[Float[Tensor, "rows size"], Float[Tensor, "rows cells"]],
    recurrent: Float[Tensor, "gates size"],
    projection: Float[Tensor, "size cells"] | None = None,
    *,
    cell_clip: float | None = None,
    state_clip: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run an LSTM over sequences that lie step after step.

    Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, and the projection
    of Sak et al. 2014. At each step one product and some sums; what does not depend on the step
    before, the products with the inputs and the gradients of the weights, is done at once for
    all. Beside the kernels of PyTorch: docs/performance.md, ``lstm_lm``.
    Products have the precision of ``inputs``, cells that of ``start``.

    Args:
        inputs: what the gates get from below, bias added: of the input, the forget gate, the
            candidate and the output gate, as in PyTorch.
        sizes: tokens of each step; row *r* of a step goes on from row *r* of the step before, so
            they never rise.
        start: states and cells that each row goes on from.
        recurrent: weights from states to gates.
        projection: from cells to states; if None these are of one size.
        cell_clip: cells past it are set to it.
        state_clip: states likewise.

    Returns:
        The state of each token, [tokens, size]; the last state and cells of each row.
    """
    outputs, state, cells = _Recurrence.apply(  # type: ignore[no-untyped-call]
        inputs, recurrent, projection, *start, _Course(list(sizes), cell_clip, state_clip)
    )
    return outputs, state, cells


class _Course(NamedTuple):
    """What a recurrence is told besides numbers, as :func:`recur` is."""

    sizes: list[int]
    cell_clip: float | None
    state_clip: float | None


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        recurrent: Tensor,
        projection: Tensor | None,
        state: Tensor,
        cells: Tensor,
        course: _Course,
    ) -> tuple[Tensor, Tensor, Tensor]:
        sizes, cell_clip, state_clip = course
        width = cells.shape[1]
        wide = cells.dtype
        gates = torch.empty_like(inputs)
        kept = cells.new_empty(len(inputs), width)
        outputs = inputs.new_empty(len(inputs), recurrent.shape[1])
        first_state, first_cells = state.to(inputs.dtype), cells
        last_state, last_cells = first_state.clone(), cells.clone()
        below, product = first_state, product_with(recurrent)
        for end, size in zip(accumulate(sizes), sizes, strict=True):
            now = slice(end - size, end)
            gate = torch.add(inputs[now], product(below[:size]), out=gates[now]).to(wide)
            gate[:, : 2 * width].sigmoid_()
            gate[:, 2 * width : 3 * width].tanh_()
            gate[:, 3 * width :].sigmoid_()
            if gate.dtype != gates.dtype:
                gates[now] = gate
            enter, forget, new, leave = gate.split(width, 1)
            cell = torch.mul(forget, last_cells[:size], out=kept[now]).addcmul_(enter, new)
            if cell_clip is not None:
                cell.clamp_(-cell_clip, cell_clip)
            last_cells[:size] = cell
            shown = cell.tanh().mul_(leave).to(inputs.dtype)
            if projection is None:
                outputs[now] = shown
            else:
                torch.mm(shown, projection.t(), out=outputs[now])
            if state_clip is not None:
                outputs[now].clamp_(-state_clip, state_clip)
            below = outputs[now]
            last_state[:size] = below
        ctx.save_for_backward(recurrent, projection, first_state, first_cells, gates, kept, outputs)
        ctx.course = course
        return outputs, last_state.to(state.dtype), last_cells

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, above: Tensor, state: Tensor, cells: Tensor
    ) -> tuple[Tensor | None, ...]:
        recurrent, projection, first_state, first_cells, gates, kept, outputs = ctx.saved_tensors
        sizes, cell_clip, state_clip = ctx.course
        wide, width = kept.dtype, kept.shape[1]
        # Of rows not met yet, going back, what came from behind their last step.
        state, cells = state.to(wide).clone(), cells.clone()
        changes = torch.empty_like(gates)
        shown = [torch.empty_like(x) for x in (outputs, kept)] if projection is not None else []
        ends, product = list(accumulate(sizes)), product_with(recurrent.t().contiguous())
        for step in reversed(range(len(sizes))):
            size, now = sizes[step], slice(ends[step] - sizes[step], ends[step])
            back = state[:size].add_(above[now])
            if state_clip is not None:
                back.masked_fill_(outputs[now].abs() >= state_clip, 0)
            enter, forget, new, leave = gates[now].to(wide).split(width, 1)
            bent = kept[now].tanh()
            if projection is not None:
                shown[0][now] = back
                shown[1][now] = bent * leave
                back = (shown[0][now] @ projection).to(wide)
            cell = cells[:size].add_(_backward.tanh_backward(back * leave, bent))
            if cell_clip is not None:
                cell.masked_fill_(kept[now].abs() >= cell_clip, 0)
            before = kept[ends[step - 1] - sizes[step - 1] :] if step else first_cells
            parts = changes[now].split(width, 1)
            parts[0].copy_(_backward.sigmoid_backward(cell * new, enter))
            parts[1].copy_(_backward.sigmoid_backward(cell * before[:size], forget))
            parts[2].copy_(_backward.tanh_backward(cell * enter, new))
            parts[3].copy_(_backward.sigmoid_backward(back.mul_(bent), leave))
            cell.mul_(forget)
            state[:size] = product(changes[now])
        before = _states_before(first_state, outputs, sizes)
        changed = None
        if projection is not None:
            changed = shown[0].t() @ shown[1].to(shown[0].dtype)
        return changes, changes.t() @ before, changed, state, cells, None


def _states_before(first: Tensor, outputs: Tensor, sizes: list[int]) -> Tensor:
    """Return for each token the state that its step went on from, [tokens, size]."""
    starts = [0, *accumulate(sizes)]
    pieces = [outputs[start : start + size] for start, size in zip(starts, sizes[1:], strict=False)]
    return torch.cat([first[: sizes[0]], *pieces])
