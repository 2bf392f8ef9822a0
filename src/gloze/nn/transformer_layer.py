"""One layer of a Transformer."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gloze.nn.attention import SelfAttention
from gloze.nn.dropout import Dropout
from gloze.nn.layout import Layout
from gloze.nn.precision import as_products
from gloze.nn.remade import use_remade

# By the error function, or by its approximation with tanh (Hendrycks and Gimpel 2016, 2).
Gelu = Literal["none", "tanh"]


class TransformerLayer(nn.Module):
    """Attention, then a two-layer net at each token, each added to its input, then normed.

    The norm comes after the sum, as in the original (Vaswani et al. 2017, 3.1) and in BERT.
    """

    def __init__(
        self,
        *,
        hidden_size: int,
        num_attention_heads: int,
        intermediate_size: int,
        hidden_dropout_prob: float,
        attention_probs_dropout_prob: float,
        layer_norm_eps: float,
        gelu: Gelu = "none",
    ) -> None:
        super().__init__()
        self.gelu = gelu
        self.attention = SelfAttention(
            hidden_size=hidden_size,
            num_attention_heads=num_attention_heads,
            dropout=attention_probs_dropout_prob,
        )
        self.attention_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.intermediate = nn.Linear(hidden_size, intermediate_size)
        self.output = nn.Linear(intermediate_size, hidden_size)
        self.output_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.dropout = Dropout(hidden_dropout_prob)

    def forward(
        self, hidden: Float[Tensor, "rows hidden"], layout: Layout
    ) -> Float[Tensor, "rows hidden"]:
        """Return the hidden states one layer up."""
        mixed = self.dropout(self.attention(hidden, layout))
        hidden = as_products(self.attention_norm(hidden + mixed))
        inner = self.intermediate(hidden)
        changed = use_remade(lambda: F.gelu(inner, approximate=self.gelu), self.output)
        return as_products(self.output_norm(hidden + self.dropout(changed)))
