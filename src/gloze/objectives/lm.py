"""Language models: from each token predict the next one, or the one before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from gloze.core.batch import Batch, Ints, Samples
from gloze.core.contracts import Encoder, Mark, Objective
from gloze.core.errors import ConfigError
from gloze.core.settings import Settings
from gloze.nn.init import initialize
from gloze.nn.output import VocabularyOutput
from gloze.nn.rows import round_up_rows

if TYPE_CHECKING:
    from gloze.data.shards import Shards
    from gloze.tokenizers.tokenizer import Tokenizer

BACKWARD = "lm_backward"


@dataclass(frozen=True, kw_only=True)
class LanguageModelConfig(Settings):
    """Settings of the language model (Bengio et al. 2003).

    From what a left-to-right encoder has read it predicts the next token, from what a
    right-to-left one has read the token before. Of a two-way encoder each half does its own, with
    one output for both (Peters et al. 2018, 3.1): ``lm`` and ``lm_backward``.

    Attributes:
        tie_weights: the output's table is that of the token embeddings (Press and Wolf 2017); by
            default it has one of its own.
        bias: whether the output adds a number of its own to each token's score; GPT's does not.
        weight: of this loss in the sum of objectives.
    """

    tie_weights: bool = False
    bias: bool = True
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
        head = LanguageModel(
            encoder, initializer_range, tie_weights=self.tie_weights, bias=self.bias
        )
        ask = ask_before if encoder.config.direction == "right_to_left" else ask_for_next
        return Objective("lm", self.weight, ask, head)

    def build_backward(self, forward: Objective) -> Objective:
        """Return what the right-to-left half of a two-way encoder is asked.

        Args:
            forward: what the other half is asked; its output serves both.
        """
        head = BackwardLanguageModel(cast("LanguageModel", forward.head))
        return Objective(BACKWARD, self.weight, partial(ask_before, name=BACKWARD), head)


def ask_for_next(samples: Samples, name: str = "lm") -> Samples:
    """Ask at every token for the one that follows, if the sequence or the sampler knows it.

    All that follows counts: unknown tokens, as the unknown one, and the [SEP] that ends a
    sequence. The [CLS] that begins it is given.
    """
    ends = np.cumsum(samples.lengths)
    return _ask(samples, name, samples.input_ids[1:], ends - 1, samples.after)


def ask_before(samples: Samples, name: str = "lm") -> Samples:
    """Ask at every token for the one before it, if the sequence or the sampler knows it."""
    ends = np.cumsum(samples.lengths)
    before = np.roll(samples.input_ids, 1)[: len(samples.input_ids)]
    return _ask(samples, name, before, ends - samples.lengths, samples.before)


def _ask(samples: Samples, name: str, neighbors: Ints, edges: Ints, beyond: Ints | None) -> Samples:
    """Ask for the neighbor of each token; at the edges of sequences for what lies beyond.

    Args:
        samples: to ask about.
        name: of the objective.
        neighbors: of each token; what stands there at edges, and past the end, is passed over.
        edges: the tokens whose neighbor is in another sequence, [sequences].
        beyond: that neighbor, -1 where it is not known; None if none is.
    """
    labels = np.empty(len(samples.input_ids), dtype=np.int64)
    labels[: len(neighbors)] = neighbors
    labels[edges] = -1 if beyond is None else beyond
    positions = np.flatnonzero(labels >= 0)
    return samples.with_labels(name, labels[positions], positions)


class LanguageModel(nn.Module):
    """Scores over the whole vocabulary at every asked position.

    Of a two-way encoder it reads the half that has read from the left.
    """

    is_language_model = True

    def __init__(
        self,
        encoder: Encoder,
        initializer_range: float = 0.02,
        *,
        tie_weights: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        halves = 2 if encoder.config.direction == "two_way" else 1
        self.size = encoder.output_size // halves
        table = encoder.token_embeddings
        if tie_weights and table.embedding_dim != self.size:
            raise ConfigError(
                f"objectives.lm.tie_weights scores with the token table, whose vectors have "
                f"{table.embedding_dim} numbers, and the encoder's states have {self.size}"
                f"{' each way' if halves == 2 else ''}: make them alike, or set it to false."
            )
        self.output = VocabularyOutput(
            self.size,
            table.num_embeddings,
            tied_to=table if tie_weights else None,
            bias=bias,
        )
        initialize(self.output, initializer_range)

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the summed loss and the number of right guesses."""
        return _mark("lm", self.output, hidden_states[-1][:, : self.size], batch)

    def scores(self, hidden: Float[Tensor, "asked hidden"]) -> Float[Tensor, "asked vocab"]:
        """Return the scores over the vocabulary for these hidden states."""
        result: Tensor = self.output(hidden)
        return result


class BackwardLanguageModel(nn.Module):
    """The output of a language model on the states that have read from the right."""

    is_language_model = True

    def __init__(self, forward: LanguageModel) -> None:
        super().__init__()
        # Not registered here: it is the other's, and saved once.
        self._forward = (forward,)

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the summed loss and the number of right guesses."""
        own = self._forward[0]
        return _mark(BACKWARD, own.output, hidden_states[-1][:, own.size :], batch)

    def scores(self, hidden: Float[Tensor, "asked hidden"]) -> Float[Tensor, "asked vocab"]:
        """Return the scores over the vocabulary for these hidden states."""
        return self._forward[0].scores(hidden)


def _mark(name: str, output: VocabularyOutput, states: Tensor, batch: Batch) -> Mark:
    asked = round_up_rows(batch.label_positions[name])
    loss, right = output.loss(states.index_select(0, asked), batch.labels[name])
    return Mark(loss, right.sum())
