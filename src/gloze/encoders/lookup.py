"""The encoder that looks words up: its hidden states are the rows of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gloze.core.batch import Batch
from gloze.core.errors import ConfigError
from gloze.core.settings import Settings

# [PAD], [UNK], [CLS], [SEP], [MASK] have the first ids; words come after them.
NUM_SPECIAL, UNKNOWN = 5, 1
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class LookupConfig(Settings):
    """A table with a row for each word.

    Attributes:
        kind: of the encoder.
        hidden_size: numbers in a row.
        result: which vectors a training ends with: ``inner``, those that words are looked up
            by (of skip-gram the centre's, of CBOW those of the words around), or ``sum``, inner
            and outer ones together. Both sets are kept either way.
    """

    # Each token looks at itself alone.
    direction: ClassVar[Literal["alone"]] = "alone"

    kind: Literal["lookup"] = "lookup"
    hidden_size: int = 100
    result: Literal["inner", "sum"] = "inner"

    def __post_init__(self) -> None:
        if self.hidden_size < 1:
            raise ConfigError(f"encoder.hidden_size is {self.hidden_size}; it must be at least 1.")

    @property
    def num_hidden_layers(self) -> int:
        """No layer stands above the table."""
        return 0

    @property
    def max_position_embeddings(self) -> int:
        """A row knows no position, so sequences may have any length; the most settings allow."""
        return 1 << 20

    @property
    def initializer_range(self) -> float:
        """Standard deviation of the starting weights of heads, that of BERT."""
        return 0.02

    def check_pairs(self) -> None:
        """Take pairs of texts: [SEP] stands between them, and what reads the rows sees it."""

    def build(self, vocab_size: int) -> LookupEncoder:
        """Return an encoder with random words of a length near 1, from PyTorch's current seed.

        Args:
            vocab_size: of the tokenizer, special tokens included.
        """
        words = torch.randn(vocab_size - NUM_SPECIAL, self.hidden_size) * self.hidden_size**-0.5
        return LookupEncoder(self, words)


class LookupEncoder(nn.Module):
    """A row for each token: one hidden state, which no other token has a say in.

    Attributes:
        output_size: numbers in each hidden state.
        vocab_size: words and special tokens.
        word_embeddings: the table, in the memory it was given in.
        special_embeddings: rows of the special tokens.
        pooler: none; it has no weights and no head reads through it.
        gradient_checkpointing: without effect, there being no layers.
    """

    def __init__(
        self,
        config: LookupConfig,
        words: Float[Tensor, "words hidden"],
        special: Float[Tensor, "special hidden"] | None = None,
    ) -> None:
        """Take a table without copying it; ``special`` is :func:`special_rows` if not given."""
        super().__init__()
        self.config, self.output_size = config, config.hidden_size
        self.vocab_size = len(words) + NUM_SPECIAL
        self.gradient_checkpointing = False
        special = special_rows(words) if special is None else special
        self.word_embeddings = nn.Embedding.from_pretrained(words, freeze=False)
        self.special_embeddings = nn.Embedding.from_pretrained(special, freeze=False)
        self.pooler = nn.Identity()

    @property
    def state_sizes(self) -> list[int]:
        """Numbers in a row, the one hidden state."""
        return [self.output_size]

    @property
    def stages(self) -> list[nn.Module]:
        """The tables, which are one stage."""
        return [nn.ModuleList([self.word_embeddings, self.special_embeddings])]

    def forward(self, batch: Batch) -> list[Tensor]:
        """Return the row of each token, [tokens, hidden_size]."""
        ids = batch.input_ids
        words = F.embedding((ids - NUM_SPECIAL).clamp_min(0), self.word_embeddings.weight)
        special = F.embedding(ids.clamp_max(NUM_SPECIAL - 1), self.special_embeddings.weight)
        return [torch.where((ids < NUM_SPECIAL)[:, None], special, words)]


def special_rows(words: Float[Tensor, "words hidden"]) -> Float[Tensor, "special hidden"]:
    """Return rows for the special tokens: of [UNK] the mean of all words, of the others zeros.

    So an unknown word says nothing in particular, and the ends of texts are told from words.
    """
    rows = torch.zeros(NUM_SPECIAL, words.shape[1])
    total = torch.zeros(words.shape[1], dtype=torch.float64)
    for some in words.detach().split(_ROWS_AT_ONCE):
        total += some.sum(0, dtype=torch.float64)
    rows[UNKNOWN] = (total / max(1, len(words))).float()
    return rows
