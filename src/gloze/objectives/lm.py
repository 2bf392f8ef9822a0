"""The language model: from each token predict the next one (Bengio et al. 2003)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from gloze.core.batch import Batch, Samples
from gloze.core.contracts import Encoder, Mark, Objective
from gloze.core.errors import ConfigError
from gloze.core.settings import Settings
from gloze.nn.init import initialize
from gloze.nn.output import VocabularyOutput
from gloze.nn.rows import round_up_rows

if TYPE_CHECKING:
    from gloze.data.shards import Shards
    from gloze.tokenizers.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class LanguageModelConfig(Settings):
    """Settings of the language model.

    Attributes:
        tie_weights: the output's table is that of the token embeddings (Press and Wolf 2017); by
            default it has one of its own.
        weight: of this loss in the sum of objectives.
    """

    tie_weights: bool = False
    weight: float = 1.0

    def build(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        initializer_range: float = 0.02,
        train: Shards | None = None,
    ) -> Objective:
        """Return the objective with a head of random weights.

        Args:
            encoder: whose states the head reads; they may not see later tokens.
            tokenizer: whose tokens are predicted.
            initializer_range: of the head's weights.
            train: not looked at.

        Raises:
            ConfigError: if the weights cannot be tied.
        """
        head = LanguageModel(encoder, initializer_range, tie_weights=self.tie_weights)
        return Objective("lm", self.weight, ask_for_next, head)


def ask_for_next(samples: Samples) -> Samples:
    """Ask at every token but the last of each sequence for the one that follows.

    All that follows counts: unknown tokens, as the unknown one, and the [SEP] that ends a
    sequence. The [CLS] that begins it is given.
    """
    is_last = np.zeros(len(samples.input_ids), dtype=bool)
    is_last[np.cumsum(samples.lengths) - 1] = True
    positions = np.flatnonzero(~is_last)
    return samples.with_labels("lm", samples.input_ids[positions + 1], positions)


class LanguageModel(nn.Module):
    """Scores over the whole vocabulary at every asked position."""

    is_language_model = True

    def __init__(
        self, encoder: Encoder, initializer_range: float = 0.02, *, tie_weights: bool = False
    ) -> None:
        super().__init__()
        table = encoder.token_embeddings
        if tie_weights and table.embedding_dim != encoder.output_size:
            raise ConfigError(
                f"objectives.lm.tie_weights scores with the token table, whose vectors have "
                f"{table.embedding_dim} numbers, and the encoder's states have "
                f"{encoder.output_size}: make them alike, or set it to false."
            )
        self.output = VocabularyOutput(
            encoder.output_size, table.num_embeddings, tied_to=table if tie_weights else None
        )
        initialize(self.output, initializer_range)

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the summed loss and the number of right guesses."""
        asked = round_up_rows(batch.label_positions["lm"])
        hidden = hidden_states[-1].index_select(0, asked)
        loss, right = self.output.loss(hidden, batch.labels["lm"])
        return Mark(loss, right.sum())

    def scores(self, hidden: Float[Tensor, "asked hidden"]) -> Float[Tensor, "asked vocab"]:
        """Return the scores over the vocabulary for these hidden states."""
        result: Tensor = self.output(hidden)
        return result
