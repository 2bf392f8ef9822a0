"""Tokens end to end to a rectangle and back: the only place where padding exists."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from gloze.nn.layout import Layout


def to_rectangle(
    x: Float[Tensor, "tokens parts heads head_size"], layout: Layout
) -> Float[Tensor, "parts sequences heads longest head_size"]:
    """Return each head's tokens of each sequence as a matrix, for batched products.

    Places past the end of a sequence hold numbers of another token: they must not be read, and
    no gradient flows back from them.
    """
    _, parts, heads, head_size = x.shape
    if layout.is_single:
        return x.permute(1, 2, 0, 3)[:, None]
    there, back = layout.moves(parts, heads)
    rows: Tensor = _ToRectangle.apply(x.reshape(-1, head_size), there, back)  # type: ignore[no-untyped-call]
    return rows.view(parts, layout.num_sequences, heads, layout.max_seqlen, head_size)


def to_tokens(
    x: Float[Tensor, "sequences heads longest head_size"], layout: Layout
) -> Float[Tensor, "tokens heads head_size"]:
    """Return the tokens' own numbers, end to end."""
    heads, head_size = x.shape[1], x.shape[3]
    if layout.is_single:
        return x[0].transpose(0, 1)
    _, back = layout.moves(1, heads)
    rows: Tensor = _ToTokens.apply(x.reshape(-1, head_size), back)  # type: ignore[no-untyped-call]
    return rows.view(layout.num_tokens, heads, head_size)


# The moves are one to one, so each gradient is a move as well; autograd, which cannot know that,
# would add up row by row.


class _ToRectangle(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, there: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return x.index_select(0, there)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (back,) = ctx.saved_tensors
        return gradient.index_select(0, back), None, None


class _ToTokens(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        ctx.rows = len(x)
        return x.index_select(0, back)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (back,) = ctx.saved_tensors
        zeros = gradient.new_zeros(ctx.rows, gradient.shape[1])
        return zeros.index_copy_(0, back, gradient), None
