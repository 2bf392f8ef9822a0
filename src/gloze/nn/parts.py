"""Scores of several sequences judged together: a softmax within each sample, without padding."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def softmax_of_parts(
    scores: Float[Tensor, " sequences"], sizes: Int[Tensor, " samples"]
) -> Float[Tensor, " sequences"]:
    """Return the softmax of the scores within each sample.

    Args:
        scores: of all samples end to end.
        sizes: how many are of each sample, at least one.
    """
    return (scores - _log_sum_exp(scores, sizes).repeat_interleave(sizes)).exp()


def cross_entropy_of_parts(
    scores: Float[Tensor, " sequences"],
    sizes: Int[Tensor, " samples"],
    gold: Int[Tensor, " samples"],
) -> tuple[Float[Tensor, ""], Int[Tensor, ""]]:
    """Return the summed -log(softmax) of the right scores, and how many beat all others.

    Args:
        scores: of all samples end to end.
        sizes: how many are of each sample, at least one.
        gold: the number of the right one in each sample, from 0.
    """
    where = sizes.cumsum(0) - sizes + gold
    right = scores[where]
    others = scores.detach().index_fill(0, where, -torch.inf)
    loss = (_log_sum_exp(scores, sizes) - right).sum()
    return loss, (right.detach() > _largest(others, sizes)).sum()


def _log_sum_exp(scores: Tensor, sizes: Tensor) -> Tensor:
    largest = _largest(scores.detach(), sizes)
    shifted = (scores - largest.repeat_interleave(sizes)).exp()
    # One segment after the other, so a device adds in the same order each time.
    return torch.segment_reduce(shifted, "sum", lengths=sizes, axis=0).log() + largest


def _largest(scores: Tensor, sizes: Tensor) -> Tensor:
    return torch.segment_reduce(scores, "max", lengths=sizes, axis=0)
