"""``gloze ablate --dry-run``: what the arms would take, from a few timed steps of each recipe."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gloze.checkpoint import load_any_parts
from gloze.config.flops import Load, encoder_flops, parameters_of
from gloze.config.run import RunConfig
from gloze.data.shards import Shards
from gloze.encoders.feed_forward import FeedForwardConfig
from gloze.objectives.counts import SVDConfig
from gloze.report.ablation_plan import AblationPlan, ArmPlan
from gloze.tasks.labelled import read_splits
from gloze.tokenizers import load_tokenizer
from gloze.training.transfer import is_frozen
from gloze.verbs.ablate_arms import Source, trainings
from gloze.verbs.ablate_call import finetuning_of
from gloze.verbs.profile import profile

if TYPE_CHECKING:
    from gloze.config.ablation import AblationConfig, ArmConfig, ComparisonTask
    from gloze.config.vectors import VectorsConfig
    from gloze.tokenizers import Tokenizer
    from gloze.verbs.ablate_arms import Recipe, Training

STEPS = 10
_FLOAT = 4
# Weights, and the two averages of the optimizer.
_IN_CHECKPOINT = 3


@dataclass(frozen=True)
class _Measured:
    """What is known of an arm's network before it is trained.

    Attributes:
        parameters: of it.
        tokens, flops: of one pre-training, as far as they are known.
        speed: tokens a second; None if it was not timed.
        rate: operations a second.
        checkpoints: that a pre-training leaves.
        where: it was timed.
    """

    parameters: int
    tokens: int | None = None
    flops: float | None = None
    speed: float | None = None
    rate: float | None = None
    checkpoints: int = 0
    where: str = ""


def plan_ablation(config: AblationConfig, recipes: dict[str, Recipe]) -> AblationPlan:
    """Return what an ablation would take; shards of a corpus are made and thrown away."""
    with tempfile.TemporaryDirectory(prefix="gloze-ablate-") as folder:
        trained = trainings(config, recipes, Source(config, Path(folder)))
        measured = {t.owner.name: _measure(t) for t in trained.values()}
        arms = [_plan(config, arm, trained.get(arm.name), measured) for arm in config.arms]
    return AblationPlan(
        budget=None if config.budget is None else str(config.budget),
        arms=arms,
        steps=STEPS,
        device="; ".join(sorted({network.where for network in measured.values()} - {""})),
    )


def _measure(training: Training) -> _Measured:
    recipe = training.recipe
    if not isinstance(recipe, RunConfig):
        return _measure_vectors(training, recipe)
    train = Shards.open(training.shards, "train", verify=False)
    parameters = parameters_of(recipe, load_tokenizer(train.tokenizer_path), train)
    found = profile(recipe, shards=training.shards, steps=STEPS)
    speed, each = found.tokens_per_second, training.flops_per_token() or 0.0
    tokens = recipe.training.tokens
    if recipe.training.minutes is not None:
        tokens = round(60 * recipe.training.minutes * speed)
    if recipe.training.steps == 0:
        tokens = 0
    assert tokens is not None
    return _Measured(
        parameters,
        tokens,
        flops=each * tokens,
        speed=speed,
        rate=each * speed,
        checkpoints=recipe.training.keep_checkpoints,
        where=f"{found.device}, {found.threads} threads",
    )


def _measure_vectors(training: Training, recipe: VectorsConfig) -> _Measured:
    size = recipe.encoder.hidden_size
    passes = 1 if isinstance(recipe.objective, SVDConfig) else recipe.training.epochs
    tokens, kept = passes * training.tokens, recipe.training.keep_checkpoints
    return _Measured(recipe.tokenizer.vocab_size * size, tokens, checkpoints=kept)


def _plan(
    config: AblationConfig,
    arm: ArmConfig,
    training: Training | None,
    measured: dict[str, _Measured],
) -> ArmPlan:
    if training is None:
        parts = load_any_parts(str(arm.model))
        network = _Measured(sum(weight.numel() for weight in parts.encoder.parameters()))
    else:
        network = measured[training.owner.name]
    is_own = training is not None and training.owner == arm
    models = 1 if training is None or arm.transfer == "none" else config.pretrain_seeds
    pretrainings = models * is_own
    finetunings = models * config.seeds * len(config.tasks)
    seconds = None
    if is_own and network.speed is not None and network.tokens is not None:
        seconds = pretrainings * network.tokens / network.speed
    if training is not None and not is_own:
        seconds = 0.0
    weights = _FLOAT * network.parameters
    stored = pretrainings * (1 + _IN_CHECKPOINT * network.checkpoints) + finetunings
    return ArmPlan(
        name=arm.name,
        trained_as=None if training is None or is_own else training.owner.name,
        pretrainings=pretrainings,
        finetunings=finetunings,
        parameters=network.parameters,
        tokens=network.tokens,
        flops=network.flops,
        pretrain_seconds=seconds,
        finetune_seconds=_finetune_seconds(config, arm, training, network, models),
        bytes=weights * stored,
    )


def _finetune_seconds(
    config: AblationConfig,
    arm: ArmConfig,
    training: Training | None,
    network: _Measured,
    models: int,
) -> float | None:
    """Return the time of all fine-tunings of an arm, at the rate of its pre-training's steps."""
    if not config.tasks:
        return 0.0
    if training is None or network.rate is None or not isinstance(training.recipe, RunConfig):
        return None
    if isinstance(training.recipe.encoder, FeedForwardConfig):
        # Fine-tuned as a table of words, by another network.
        return None
    tokenizer = load_tokenizer(Shards.open(training.shards, "train", verify=False).tokenizer_path)
    recipe, tasks = training.recipe, config.tasks.values()
    total = sum(_task_flops(config, task, arm, recipe, tokenizer) for task in tasks)
    return models * config.seeds * total / network.rate


def _task_flops(
    config: AblationConfig,
    task: ComparisonTask,
    arm: ArmConfig,
    recipe: RunConfig,
    tokenizer: Tokenizer,
) -> float:
    """Return the operations of one fine-tuning in the encoder; heads are small beside it."""
    finetuning = finetuning_of(config, task, arm, recipe)
    reader = finetuning.task.reader(task.format, task.columns)
    paths = {split: Path(path) for split, path in task.files.items()}
    examples = read_splits(reader, paths)
    own: Any = finetuning.task.resolve(is_plain=True, metric=reader.metric)
    learned = own.learn(examples["train"], paths["train"])
    with torch.device("meta"):
        encoder: Any = recipe.encoder.build(tokenizer.vocab_size)
    costs = {}
    for split, path in paths.items():
        encoded = own.encode(examples[split], tokenizer, learned, path=path)
        load = Load.of_lengths(encoded.sequence_lengths, recipe.encoder.direction)
        costs[split] = encoder_flops(encoder, load)
    training, count = finetuning.training, len(examples["train"])
    epochs = training.epochs
    if epochs is None:
        epochs = (training.steps or 0) * (training.batch_size or 1) / max(count, 1)
    # A third of it without gradients.
    looks = costs.get("dev", 0.0) * (training.evaluations + 1) + costs.get("test", 0.0)
    if is_frozen(finetuning.transfer):
        return sum(costs.values()) / 3
    return costs["train"] * epochs + looks / 3
