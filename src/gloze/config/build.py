"""A recipe becomes a learner and its streams of steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gloze.config.runs import step_size
from gloze.core.progress import say
from gloze.core.ranks import ranks
from gloze.data.stream import Stream
from gloze.training.learner import Learner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.config.run import RunConfig
    from gloze.core.contracts import Objective
    from gloze.data.samplers import Sampler
    from gloze.data.shards import Shards
    from gloze.encoders.transformer import TransformerEncoder
    from gloze.tokenizers import Tokenizer


def build_learner(
    config: RunConfig, tokenizer: Tokenizer, encoder: TransformerEncoder | None = None
) -> tuple[list[Objective], Learner]:
    """Return the objectives and the learner of a recipe.

    Weights are random, from PyTorch's current seed; those of ``encoder`` stay if it is given.
    """
    encoder = encoder or config.encoder.build(tokenizer.vocab_size)
    spread = config.encoder.initializer_range
    objectives = [item.build(encoder, tokenizer, spread) for _, item in config.objectives.items()]
    return objectives, Learner(encoder, objectives)


def training_stream(sampler: Sampler, objectives: Sequence[Objective], config: RunConfig) -> Stream:
    """Return the training stream of a recipe."""
    size, workers = step_size(config.training), config.training.loader_workers
    return Stream(sampler, objectives, size=size, seed=config.seed, workers=workers, ranks=ranks())


def held_out_stream(
    valid: Shards, tokenizer: Tokenizer, objectives: Sequence[Objective], config: RunConfig
) -> Stream:
    """Return the held-out split in order, with the same questions each time."""
    sampling = config.sampler
    if sampling.kind == "segment_pair" and valid.num_documents < 2:
        # One held-out document has no other to draw from: every B then follows its A.
        say("Only one document is held out, so held-out pairs have no random next sentences.")
        sampling = replace(sampling, random_rate=0.0)
    sampler = sampling.build(valid, tokenizer, config.seed)
    size = step_size(config.training)
    return Stream(sampler, objectives, size=size, seed=config.seed, shuffle=False, ranks=ranks())
