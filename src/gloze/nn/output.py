"""Hidden states to scores over the vocabulary."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class TokenOutput(nn.Module):
    """Scores over the vocabulary by the token embeddings themselves, plus a bias of their own.

    The table is shared with the input (Press and Wolf 2017); only the bias, one number a
    token, belongs to the output and starts at zero.
    """

    def __init__(self, tied_to: nn.Embedding) -> None:
        super().__init__()
        # Not registered here: the table belongs to the encoder and is saved once.
        self._table = (tied_to,)
        self.bias = nn.Parameter(torch.zeros(tied_to.num_embeddings))

    def forward(self, hidden: Float[Tensor, "asked hidden"]) -> Float[Tensor, "asked vocab"]:
        """Return one score for each entry of the vocabulary."""
        return F.linear(hidden, self._table[0].weight, self.bias)
