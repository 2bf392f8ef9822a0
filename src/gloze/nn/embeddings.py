"""Tokens to vectors: the sum of what, where and which segment."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gloze.nn.dropout import Dropout
from gloze.nn.precision import as_products

# One vector a place that is trained, or fixed waves.
Positions = Literal["learned", "sinusoidal"]
# The longest wave of a sinusoid is this many times 2 pi places.
_LONGEST = 10_000.0


class Embeddings(nn.Module):
    """Token, position and segment embeddings, summed, and normed where asked for.

    BERT learns all three and norms them (Devlin et al. 2019, section 3 and figure 2); GPT has no
    segments and no norm (Radford et al. 2018, 3.1); the first Transformer's positions are fixed
    (Vaswani et al. 2017, 3.5).
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        max_position_embeddings: int,
        type_vocab_size: int,
        hidden_size: int,
        hidden_dropout_prob: float,
        layer_norm_eps: float,
        positions: Positions = "learned",
        has_norm: bool = True,
    ) -> None:
        super().__init__()
        self.token_embeddings = nn.Embedding(vocab_size, hidden_size)
        self.position_embeddings: nn.Embedding | Sinusoids
        if positions == "learned":
            self.position_embeddings = nn.Embedding(max_position_embeddings, hidden_size)
        else:
            self.position_embeddings = Sinusoids(hidden_size)
        self.token_type_embeddings = (
            nn.Embedding(type_vocab_size, hidden_size) if type_vocab_size else None
        )
        self.norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps) if has_norm else nn.Identity()
        self.dropout = Dropout(hidden_dropout_prob)

    def forward(
        self,
        input_ids: Int[Tensor, " tokens"],
        position_ids: Int[Tensor, " tokens"],
        token_type_ids: Int[Tensor, " tokens"],
    ) -> Float[Tensor, "tokens hidden"]:
        """Return the vector of each token."""
        summed = self.token_embeddings(input_ids) + self.position_embeddings(position_ids)
        if self.token_type_embeddings is not None:
            summed = summed + self.token_type_embeddings(token_type_ids)
        return self.dropout(as_products(self.norm(summed)))


class Sinusoids(nn.Module):
    """A fixed vector for each place: sines in the even numbers, cosines in the odd ones.

    With *i* from 0, number 2i of place p is sin(p / 10000^(2i/size)), number 2i + 1 its cosine
    (Vaswani et al. 2017, 3.5). They are worked out as they are needed: there is nothing to keep.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size

    def forward(self, position_ids: Int[Tensor, " tokens"]) -> Float[Tensor, "tokens hidden"]:
        """Return the vector of each place, in float32."""
        even = torch.arange(0, self.hidden_size, 2, device=position_ids.device)
        angles = position_ids[:, None] * _LONGEST ** (-even / self.hidden_size)
        return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, : self.hidden_size]
