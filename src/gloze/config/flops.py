"""What a training step computes, counted: the operations of its products.

A matrix of *n* numbers takes *2 n* operations for each row that goes through it, a multiplication
and an addition each; the gradients of the row and of the matrix take as many again each. So a
number of a weight matrix costs 6 operations a token (Kaplan et al. 2020, 2.1, table 1). Attention
has no weights where positions meet: scores and mix take *4 h* for each pair of positions that see
each other, *12 h* with the gradients, *h* being the hidden size (Chowdhery et al. 2022, appendix
B). Of a Transformer of *L* layers, *f* the width inside, this comes to

    6 L (4 h h + 2 h f)  for each token,  12 L h  for each pair.

An LSTM of *c* cells over inputs of *n* numbers has 4 *c* (*n* + *c*) such numbers, and no pairs.
Heads count for what is asked: a language model's scores over *V* tokens, *6 h V*, for each label.

Real tokens are counted, never padding, and of one-way attention the pairs that may be seen. What is
small beside products is left out (norms, activations, biases, the optimizer), and so is what is
computed a second time to spare memory, or for a gradient that dropout makes anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from gloze.config.build import build_learner, training_streams
from gloze.encoders.transformer import TransformerConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gloze.config.run import RunConfig
    from gloze.core.batch import Ints, Step
    from gloze.data.shards import Shards
    from gloze.tokenizers import Tokenizer
    from gloze.training.learner import Learner

# A multiplication and an addition forward, two of each for the gradients.
_A_NUMBER, _A_PAIR = 6, 12
# Enough that lengths and labels of the sampler show.
_SAMPLED_TOKENS = 1 << 18


@dataclass(frozen=True)
class Load:
    """What a network is given.

    Attributes:
        tokens: of all sequences.
        pairs: of positions that see each other, a position and itself counted.
        labels: of each objective.
    """

    tokens: int
    pairs: int
    labels: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of_lengths(cls, lengths: Ints, direction: str = "bidirectional") -> Load:
        """Return the load of sequences of these lengths, without labels."""
        sizes = lengths.astype(np.int64)
        seen = sizes if direction == "bidirectional" else (sizes + 1) / 2
        return cls(int(sizes.sum()), round(float((sizes * seen).sum())))

    @classmethod
    def of_steps(cls, steps: Iterable[Step], direction: str = "bidirectional") -> Load:
        """Return the load of steps, all together."""
        lengths: list[Ints] = []
        labels: dict[str, int] = {}
        for step in steps:
            lengths += [batch.lengths.numpy() for batch in step.micro_batches]
            for name, count in step.num_labels.items():
                labels[name] = labels.get(name, 0) + count
        found = cls.of_lengths(np.concatenate(lengths), direction)
        return cls(found.tokens, found.pairs, labels)


def encoder_flops(encoder: nn.Module, load: Load) -> float:
    """Return the operations of a step in the encoder, gradients counted in."""
    parts, config = cast("Any", encoder).stages, cast("Any", encoder).config
    total = _A_NUMBER * load.tokens * sum(map(_numbers, parts))
    if isinstance(config, TransformerConfig):
        ways = 2 if config.direction == "two_way" else 1
        total += _A_PAIR * ways * config.num_hidden_layers * config.hidden_size * load.pairs
    return float(total)


def training_flops(learner: Learner, load: Load) -> float:
    """Return the operations of a step in the encoder and its heads, gradients counted in."""
    encoder = cast("Any", learner.encoder)
    total = encoder_flops(encoder, load)
    # Of two ways each is asked by its own half of the states.
    width = encoder.output_size // (2 if encoder.config.direction == "two_way" else 1)
    for name, head in learner.heads.items():
        numbers = _numbers(head)
        if getattr(head, "is_language_model", False):
            # Its table may be the encoder's; the size is the same.
            numbers += encoder.vocab_size * width
        elif hasattr(encoder, "pooler"):
            numbers += _numbers(encoder.pooler)
        total += _A_NUMBER * load.labels.get(name, 0) * numbers
    return total


def flops_per_token(config: RunConfig, train: Shards, tokenizer: Tokenizer) -> float:
    """Return the operations of a recipe's training for each token of these shards.

    How long sequences are and how much is asked is measured on the first steps of each phase,
    which each count by their share of the budget.
    """
    with torch.device("meta"):
        objectives, learner = build_learner(config, tokenizer, train)
    sampler = config.sampler.build(train, tokenizer, config.seed)
    streams = training_streams(sampler, train, tokenizer, objectives, config)
    starts = [start for start, _ in streams]
    total = 0.0
    for (start, stream), end in zip(streams, [*starts[1:], 1.0], strict=True):
        load = Load.of_steps(_first(stream.read_epoch()), config.encoder.direction)
        total += (end - start) * training_flops(learner, load) / load.tokens
    return total


def parameters_of(config: RunConfig, tokenizer: Tokenizer, train: Shards) -> int:
    """Return how many numbers a recipe trains with this tokenizer."""
    with torch.device("meta"):
        _, learner = build_learner(config, tokenizer, train)
    return sum(weight.numel() for weight in learner.parameters())


def _first(steps: Iterator[Step]) -> Iterator[Step]:
    seen = 0
    for step in steps:
        yield step
        seen += step.num_tokens
        if seen >= _SAMPLED_TOKENS:
            return


def _numbers(part: nn.Module) -> int:
    """Return how many numbers the weight matrices of a part hold, tables left out."""
    tables = {
        table.weight for table in part.modules() if isinstance(table, nn.Embedding | nn.LayerNorm)
    }
    return sum(w.numel() for w in part.parameters() if w.dim() > 1 and w not in tables)
