"""A recipe becomes a learner and its streams of steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gloze.config.runs import step_size
from gloze.core.progress import say
from gloze.core.ranks import ranks
from gloze.data.stream import Stream
from gloze.encoders.lstm import LSTMEncoder
from gloze.objectives.lm import LanguageModelConfig
from gloze.training.learner import Learner
from gloze.training.transfer import hold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.config.run import RunConfig
    from gloze.core.contracts import Objective, Source
    from gloze.data.shards import Shards
    from gloze.tokenizers import Tokenizer


def build_learner(
    config: RunConfig,
    tokenizer: Tokenizer,
    train: Shards | None = None,
    start: Any = None,
) -> tuple[list[Objective], Learner]:
    """Return the objectives and the learner of a recipe.

    Weights are random, from PyTorch's current seed; those of ``start`` stay if it is given.
    Objectives that go by the counts of a corpus take those of ``train``.
    """
    # Which objectives go with which encoder the recipe has checked.
    encoder: Any = start or config.encoder.build(tokenizer.vocab_size)
    if isinstance(encoder, LSTMEncoder):
        encoder.spell(tokenizer)
    spread = config.encoder.initializer_range
    objectives = build_objectives(config, encoder, tokenizer, spread, train)
    learner = Learner(encoder, objectives)
    hold(learner, config.freeze)
    return objectives, learner


def build_objectives(
    config: RunConfig,
    encoder: Any,
    tokenizer: Tokenizer,
    spread: float,
    train: Shards | None = None,
) -> list[Objective]:
    """Return the objectives of a recipe, with heads of random weights up to ``spread``."""
    found = []
    for _, item in config.objectives.items():
        if isinstance(item, LanguageModelConfig):
            found += item.build_each(encoder, tokenizer, spread)
        else:
            found.append(item.build(encoder, tokenizer, spread, train))
    return found


def training_stream(sampler: Source, objectives: Sequence[Objective], config: RunConfig) -> Stream:
    """Return the training stream of a recipe."""
    size, workers = step_size(config.training), config.training.loader_workers
    return Stream(
        sampler,
        objectives,
        size=size,
        seed=config.seed,
        workers=workers,
        lanes=config.lanes,
        ranks=ranks(),
    )


def training_streams(
    sampler: Source,
    train: Shards,
    tokenizer: Tokenizer,
    objectives: Sequence[Objective],
    config: RunConfig,
) -> list[tuple[float, Stream]]:
    """Return the stream of each phase, with the share of the budget that it begins at.

    That of the first is over ``sampler``.
    """
    found = [(0.0, training_stream(sampler, objectives, config))]
    for number, phase in enumerate(config.phases, start=1):
        own = config.in_phase(number)
        later = own.sampler.build(train, tokenizer, own.seed)
        found.append((phase.start, training_stream(later, objectives, own)))
    return found


def held_out_streams(
    valid: Shards, tokenizer: Tokenizer, objectives: Sequence[Objective], config: RunConfig
) -> list[Stream]:
    """Return the held-out split in order for each phase, with the same questions each time."""
    if config.sampler.kind == "segment_pair" and valid.num_documents < 2:
        # One held-out document has no other to draw from: every B then follows its A.
        say("Only one document is held out, so held-out pairs have no random next sentences.")
        config = replace(config, sampler=replace(config.sampler, random_rate=0.0))
    each = map(config.in_phase, range(len(config.phases) + 1))
    return [in_order(valid, tokenizer, objectives, own) for own in each]


def in_order(
    shards: Shards, tokenizer: Tokenizer, objectives: Sequence[Objective], config: RunConfig
) -> Stream:
    """Return a split in its order, or in lanes as in training."""
    sampler = config.sampler.build(shards, tokenizer, config.seed)
    return Stream(
        sampler,
        objectives,
        size=step_size(config.training),
        seed=config.seed,
        shuffle=False,
        lanes=config.lanes,
        ranks=ranks(),
    )
