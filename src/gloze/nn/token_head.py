"""From states to a guess at a token: what heads that fill blanks share."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from gloze.core.contracts import BertEncoder, Mark
from gloze.nn.init import initialize
from gloze.nn.output import TokenOutput


class TokenHead(nn.Module):
    """Dense, GELU, norm, scores over the vocabulary by the token table (Devlin et al. 2019)."""

    is_language_model = True

    def __init__(self, encoder: BertEncoder, initializer_range: float = 0.02) -> None:
        super().__init__()
        # A table that is narrower than the states, as where two ways meet, reads a part of them.
        size = encoder.token_embeddings.embedding_dim
        self.transform = nn.Sequential(
            nn.Linear(encoder.output_size, size),
            nn.GELU(encoder.gelu),
            nn.LayerNorm(size, eps=encoder.layer_norm_eps),
        )
        initialize(self.transform, initializer_range)
        self.output = TokenOutput(tied_to=encoder.token_embeddings)

    def mark(self, hidden: Float[Tensor, "rows hidden"], labels: Int[Tensor, " asked"]) -> Mark:
        """Return the summed loss and the number of right guesses; rows past the labels are none."""
        loss, right = self.output.loss(self.transform(hidden), labels)
        return Mark(loss, right.sum())

    def scores(self, hidden: Float[Tensor, "asked hidden"]) -> Float[Tensor, "asked vocab"]:
        """Return the scores over the vocabulary for these hidden states."""
        result: Tensor = self.output(self.transform(hidden))
        return result
