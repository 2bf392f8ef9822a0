"""Tokens to vectors: the sum of what, where and which segment."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from gloze.nn.dropout import Dropout
from gloze.nn.precision import as_products


class BertEmbeddings(nn.Module):
    """Token, position and segment embeddings, all learned, summed and normed.

    Devlin et al. 2019, section 3 and figure 2.
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
    ) -> None:
        super().__init__()
        self.token_embeddings = nn.Embedding(vocab_size, hidden_size)
        self.position_embeddings = nn.Embedding(max_position_embeddings, hidden_size)
        self.token_type_embeddings = nn.Embedding(type_vocab_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.dropout = Dropout(hidden_dropout_prob)

    def forward(
        self,
        input_ids: Int[Tensor, " tokens"],
        position_ids: Int[Tensor, " tokens"],
        token_type_ids: Int[Tensor, " tokens"],
    ) -> Float[Tensor, "tokens hidden"]:
        """Return the vector of each token."""
        summed = (
            self.token_embeddings(input_ids)
            + self.position_embeddings(position_ids)
            + self.token_type_embeddings(token_type_ids)
        )
        return self.dropout(as_products(self.norm(summed)))
