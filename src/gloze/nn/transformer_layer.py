"""One layer of a Transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gloze.nn.attention import SelfAttention
from gloze.nn.cache import LayerCache
from gloze.nn.dropout import Dropout
from gloze.nn.layout import Layout
from gloze.nn.precision import as_products
from gloze.nn.remade import use_remade

if TYPE_CHECKING:
    from collections.abc import Callable

# By the error function, or by its approximation with tanh (Hendrycks and Gimpel 2016, 2).
Gelu = Literal["none", "tanh"]
# Where a layer's norms stand: after what was added up, or before what is to be added.
NormPosition = Literal["after", "before"]


class TransformerLayer(nn.Module):
    """Attention, then a two-layer net at each token, each added to its input.

    The norm comes after the sum, as in the original (Vaswani et al. 2017, 3.1), in GPT and in
    BERT; or it comes before, and the sums are left as they are, as in GPT-2 (Radford et al.
    2019, 2.3).
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
        norm_position: NormPosition = "after",
    ) -> None:
        super().__init__()
        self.gelu, self.norm_position = gelu, norm_position
        self.attention = SelfAttention(
            hidden_size=hidden_size,
            num_attention_heads=num_attention_heads,
            dropout=attention_probs_dropout_prob,
        )
        # Of attention, and of the net, wherever it stands.
        self.attention_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.intermediate = nn.Linear(hidden_size, intermediate_size)
        self.output = nn.Linear(intermediate_size, hidden_size)
        self.output_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.dropout = Dropout(hidden_dropout_prob)

    def forward(
        self,
        hidden: Float[Tensor, "rows hidden"],
        layout: Layout,
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "rows hidden"]:
        """Return the hidden states one layer up.

        Args:
            hidden: of the layer below.
            layout: which rows are a sequence.
            cache: keys and values of what comes before these tokens; they are added to it.
        """
        hidden = self._with(lambda x: self.attention(x, layout, cache), hidden, self.attention_norm)
        return self._with(self._feed_forward, hidden, self.output_norm)

    def _with(self, change: Callable[[Tensor], Tensor], hidden: Tensor, norm: nn.Module) -> Tensor:
        """Return the hidden states with a change added, normed on one side of it."""
        if self.norm_position == "before":
            return hidden + self.dropout(change(as_products(norm(hidden))))
        return as_products(norm(hidden + self.dropout(change(hidden))))

    def _feed_forward(self, hidden: Float[Tensor, "rows hidden"]) -> Float[Tensor, "rows hidden"]:
        inner = self.intermediate(hidden)
        return use_remade(lambda: F.gelu(inner, approximate=self.gelu), self.output)
