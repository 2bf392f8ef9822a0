"""The feed-forward encoder: some words before, one hidden layer (Bengio et al. 2003)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from gloze.core.batch import Batch
from gloze.core.errors import ConfigError
from gloze.core.settings import Settings, check_rate
from gloze.nn.init import initialize
from gloze.nn.rows import round_up_rows

_MOST = {"embedding_size": 1 << 20, "context_size": 1 << 10, "hidden_size": 1 << 20}


@dataclass(frozen=True, kw_only=True)
class FeedForwardConfig(Settings):
    """Sizes of a network over the last few words, by the letters of Bengio et al. 2003, 2.

    Attributes:
        kind: of the encoder.
        embedding_size: numbers in a word's vector, *m*.
        context_size: words that a state is made of, the token's own among them; the paper's
            *n - 1*, which counts the word to be predicted too.
        hidden_size: numbers of the tanh layer, *h*.
        direct_connections: states hold the vectors of these words beside the hidden layer, so
            that the output sees them directly (the paper's *W*).
        hidden_dropout_prob: dropout on the vectors of words and on the hidden layer.
        initializer_range: standard deviation of the starting weights. Larger than a
            Transformer's: no norm here lifts what is small.
    """

    # What a token may look at; nothing else can be computed, so it is no setting.
    direction: ClassVar[Literal["left_to_right"]] = "left_to_right"

    kind: Literal["feed_forward"] = "feed_forward"
    embedding_size: int = 100
    context_size: int = 5
    hidden_size: int = 100
    direct_connections: bool = False
    hidden_dropout_prob: float = 0.0
    initializer_range: float = 0.1

    def __post_init__(self) -> None:
        for name, most in _MOST.items():
            if not 1 <= getattr(self, name) <= most:
                raise ConfigError(
                    f"encoder.{name} is {getattr(self, name)}; it must be from 1 to {most}."
                )
        if not self.initializer_range > 0:
            raise ConfigError(
                f"encoder.initializer_range is {self.initializer_range}; it must be over 0."
            )
        check_rate("encoder.hidden_dropout_prob", self.hidden_dropout_prob)

    def build(self, vocab_size: int) -> FeedForwardEncoder:
        """Return the encoder with random weights, from PyTorch's current seed."""
        return FeedForwardEncoder(self, vocab_size)


class FeedForwardEncoder(nn.Module):
    """A state for each token from its vector and those of the tokens before it.

    With *x* the vectors of the last ``context_size`` tokens, the token's own first, the state is
    *h = tanh(d + H x)*; with direct connections *h* and after it *x*. What would lie before the
    start of a sequence is zeros: the [CLS] that begins it has a vector that is learned.

    Attributes:
        output_size: numbers in each state.
        gradient_checkpointing: without effect; there is one layer.
    """

    def __init__(self, config: FeedForwardConfig, vocab_size: int) -> None:
        super().__init__()
        self.config = config
        self.vocab_size = vocab_size
        seen = config.context_size * config.embedding_size
        self.output_size = config.hidden_size + seen * config.direct_connections
        self.gradient_checkpointing = False
        self.embeddings = nn.Embedding(vocab_size, config.embedding_size)
        self.hidden = nn.Linear(seen, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        initialize(self, config.initializer_range)

    @property
    def token_embeddings(self) -> nn.Embedding:
        """The table of token vectors."""
        return self.embeddings

    @property
    def state_sizes(self) -> list[int]:
        """Numbers in vectors and states."""
        return [self.config.embedding_size, self.output_size]

    @property
    def stages(self) -> list[nn.Module]:
        """Embeddings and the hidden layer, from the input up."""
        return [self.embeddings, self.hidden]

    def forward(self, batch: Batch) -> list[Tensor]:
        """Return vectors, [tokens, embedding_size], and states, [tokens, output_size]."""
        ids, places = (round_up_rows(x, batch.rows) for x in (batch.input_ids, batch.position_ids))
        vectors = self.dropout(self.embeddings(ids))
        seen = _last(vectors, places, self.config.context_size)
        states = self.dropout(torch.tanh(self.hidden(seen)))
        if self.config.direct_connections:
            states = torch.cat([states, seen.to(states.dtype)], dim=1)
        return [each[: batch.num_tokens] for each in (vectors, states)]


def _last(
    vectors: Float[Tensor, "tokens size"], places: Int[Tensor, " tokens"], count: int
) -> Float[Tensor, "tokens seen"]:
    """Return the vectors of each token and of those before it, zeros before a sequence.

    One product with all of them is faster than a product for each distance and sums of shifted
    results; shifting, unlike looking up by index, adds its gradients in the same order each time.

    Args:
        vectors: of sequences laid end to end.
        places: of the tokens in their sequences.
        count: tokens that are seen, the own among them.
    """
    shifted = [
        F.pad(vectors[: max(len(vectors) - back, 0)], (0, 0, min(back, len(vectors)), 0))
        * (places >= back)[:, None]
        for back in range(1, count)
    ]
    return torch.cat([vectors, *shifted], dim=1)
