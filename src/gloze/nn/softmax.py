"""Softmax over rows of any width, at the speed that PyTorch's has for some."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Numbers in a vector register, of halves and of float32: on a CPU rows under the second, and in
# half precision rows that are no multiple of the first, cost PyTorch up to seven times as much.
_HALVES, _FLOATS = 32, 16


def softmax(scores: Tensor) -> Tensor:
    """Return the softmax over the last dimension, in the precision of the scores.

    Halves add up in float32.
    """
    is_half = scores.dtype in (torch.float16, torch.bfloat16)
    width = scores.shape[-1]
    is_slow = width < _FLOATS or (is_half and width % _HALVES != 0)
    if scores.device.type != "cpu" or not is_slow or scores.dtype == torch.float64:
        return scores.softmax(-1)
    if not torch.is_grad_enabled():
        return _shares(scores)
    result: Tensor = _Softmax.apply(scores)  # type: ignore[no-untyped-call]
    return result


def _shares(scores: Tensor) -> Tensor:
    if scores.shape[-1] >= _FLOATS:
        return scores.float().softmax(-1).to(scores.dtype)
    raised = (scores.float() - scores.amax(-1, keepdim=True)).exp_()
    return raised.div_(raised.sum(-1, keepdim=True)).to(scores.dtype)


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        shares = _shares(scores)
        ctx.save_for_backward(shares)
        return shares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (shares,) = ctx.saved_tensors
        if shares.shape[-1] >= _HALVES:
            found: Tensor = torch._softmax_backward_data(gradient, shares, -1, shares.dtype)
            return found
        weighed = gradient.float() * shares
        return (weighed - weighed.sum(-1, keepdim=True) * shares).to(shares.dtype)
