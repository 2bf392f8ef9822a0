"""Several layers as one, in shares that are learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class ScalarMix(nn.Module):
    """The mean of layers weighted by a softmax, times gamma (Peters et al. 2018, equation 1).

    It begins as the plain mean.

    Args:
        num_states: how many layers.
        norm: bring every token of each layer to mean 0 and variance 1 first, which helps where
            layers are of different sizes (section 3.2 there).
    """

    def __init__(self, num_states: int, *, norm: bool = False) -> None:
        super().__init__()
        self.norm = norm
        self.weights = nn.Parameter(torch.zeros(num_states))
        self.gamma = nn.Parameter(torch.ones(1))

    @property
    def shares(self) -> Float[Tensor, " states"]:
        """How much each layer counts; they add up to 1."""
        return self.weights.softmax(0)

    def forward(self, states: Sequence[Float[Tensor, "tokens hidden"]]) -> Tensor:
        """Return the mix, [tokens, hidden], in the precision of the states."""
        if self.norm:
            states = [F.layer_norm(x.float(), x.shape[-1:]) for x in states]
        # Numbers without dimensions: they leave the precision of what they multiply as it is.
        shares = (self.gamma * self.shares).unbind()
        return sum(  # type: ignore[return-value]
            share * x for share, x in zip(shares, states, strict=True)
        )
