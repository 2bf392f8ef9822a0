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
    from gloze.core.contracts import TableEncoder
    from gloze.data.shards import Shards
    from gloze.tokenizers.tokenizer import Tokenizer

BACKWARD = "lm_backward"
LEAST_VOCABULARY = 6
# How many entries are predicted, and the id of the unknown one.
Known = tuple[int, int]


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
        vocab_size: predict the first so many entries of a vocabulary of words, which are its most
            frequent, special tokens included; what comes after them is predicted as [UNK]. All by
            default. An encoder that reads characters still reads each word as it is.
        weight: of this loss in the sum of objectives.
    """

    tie_weights: bool = False
    bias: bool = True
    vocab_size: int | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.vocab_size is None:
            return
        if self.vocab_size < LEAST_VOCABULARY:
            raise ConfigError(
                f"objectives.lm.vocab_size is {self.vocab_size}; it must be at least "
                f"{LEAST_VOCABULARY}, the five special tokens and a word."
            )
        if self.tie_weights:
            raise ConfigError(
                "objectives.lm.tie_weights scores with the token table, which has a row for each "
                "entry, and objectives.lm.vocab_size leaves some out: set one of them."
            )

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
            ConfigError: if the weights cannot be tied, or the vocabulary has no order.
        """
        known = self._known(tokenizer)
        most = encoder.vocab_size if known is None else known[0]
        head = LanguageModel(
            encoder, most, initializer_range, tie_weights=self.tie_weights, bias=self.bias
        )
        ask = ask_before if encoder.config.direction == "right_to_left" else ask_for_next
        return Objective("lm", self.weight, partial(ask, known=known), head)

    def build_each(
        self, encoder: Encoder, tokenizer: Tokenizer, initializer_range: float = 0.02
    ) -> list[Objective]:
        """Return what :meth:`build` does, and of two ways what the other half is asked."""
        forward = self.build(encoder, tokenizer, initializer_range)
        if encoder.config.direction != "two_way":
            return [forward]
        return [forward, self.build_backward(forward, tokenizer)]

    def build_backward(self, forward: Objective, tokenizer: Tokenizer) -> Objective:
        """Return what the right-to-left half of a two-way encoder is asked.

        Args:
            forward: what the other half is asked; its output serves both.
            tokenizer: whose tokens are predicted.
        """
        head = BackwardLanguageModel(cast("LanguageModel", forward.head))
        ask = partial(ask_before, name=BACKWARD, known=self._known(tokenizer))
        return Objective(BACKWARD, self.weight, ask, head)

    def _known(self, tokenizer: Tokenizer) -> Known | None:
        """Return what is predicted, if that is not all."""
        if self.vocab_size is None or self.vocab_size >= tokenizer.vocab_size:
            return None
        if tokenizer.kind != "WordLevel":
            raise ConfigError(
                f"objectives.lm.vocab_size keeps the most frequent words, and this tokenizer "
                f"({tokenizer.kind}) has pieces in another order: leave it out, or use "
                "tokenizer.kind=words."
            )
        return self.vocab_size, tokenizer.unk_id


def ask_for_next(samples: Samples, name: str = "lm", known: Known | None = None) -> Samples:
    """Ask at every token for the one that follows, if the sequence or the sampler knows it.

    All that follows counts: unknown tokens, as the unknown one, and the [SEP] that ends a
    sequence. The [CLS] that begins it is given.
    """
    ends = np.cumsum(samples.lengths)
    found = _ask(samples, name, samples.input_ids[1:], ends - 1, samples.after)
    return _narrowed(found, name, known)


def ask_before(samples: Samples, name: str = "lm", known: Known | None = None) -> Samples:
    """Ask at every token for the one before it, if the sequence or the sampler knows it."""
    ends = np.cumsum(samples.lengths)
    before = np.roll(samples.input_ids, 1)[: len(samples.input_ids)]
    found = _ask(samples, name, before, ends - samples.lengths, samples.before)
    return _narrowed(found, name, known)


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


def _narrowed(samples: Samples, name: str, known: Known | None) -> Samples:
    """Ask for the unknown token in place of what is not predicted."""
    if known is None:
        return samples
    labels, (most, unknown) = samples.labels[name].astype(np.int64), known
    return samples.with_labels(name, np.where(labels < most, labels, unknown))


class LanguageModel(nn.Module):
    """Scores over the whole vocabulary, or its first entries, at every asked position.

    Of a two-way encoder it reads the half that has read from the left.
    """

    is_language_model = True

    def __init__(
        self,
        encoder: Encoder,
        vocab_size: int,
        initializer_range: float = 0.02,
        *,
        tie_weights: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        halves = 2 if encoder.config.direction == "two_way" else 1
        self.size = encoder.output_size // halves
        table = cast("TableEncoder", encoder).token_embeddings if tie_weights else None
        if table is not None and table.embedding_dim != self.size:
            raise ConfigError(
                f"objectives.lm.tie_weights scores with the token table, whose vectors have "
                f"{table.embedding_dim} numbers, and the encoder's states have {self.size}"
                f"{' each way' if halves == 2 else ''}: make them alike, or set it to false."
            )
        self.output = VocabularyOutput(self.size, vocab_size, tied_to=table, bias=bias)
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
