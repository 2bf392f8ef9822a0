"""One seed of a fine-tuning: built, trained, judged, saved."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from gloze.checkpoint import (
    Checkpoints,
    for_sequences,
    for_task,
    language_models,
    load_any_parts,
    save_model,
)
from gloze.config.runs import step_size
from gloze.core.devices import computing, float32_products, pick_device
from gloze.core.files import write_json
from gloze.core.progress import say
from gloze.core.ranks import ranks
from gloze.core.rng import derive
from gloze.data.stream import Stream
from gloze.encoders.lookup import LookupEncoder
from gloze.interop.token_table import fill_token_table
from gloze.nn.readout import layers_of, mix_of
from gloze.tasks.features import with_features
from gloze.tasks.learned import Judged
from gloze.tasks.model import TaskModel, build_head, score_rows
from gloze.tasks.results import FIGURES, SeedResult, model_card
from gloze.training.distributed import is_sharded, whole_weights
from gloze.training.log import MetricsLog
from gloze.training.loop import Trainer
from gloze.training.transfer import FrozenLearner, build_learner

if TYPE_CHECKING:
    from torch import Tensor

    from gloze.checkpoint import AnyParts
    from gloze.core.batch import Batch
    from gloze.core.contracts import Objective
    from gloze.tasks.labelled import Split
    from gloze.training.learner import Learner
    from gloze.training.state import TrainingState
    from gloze.verbs.finetune_job import Job


def run_seed(job: Job, seed: int, folder: Path) -> SeedResult:
    """Train one seed, judge it, save it."""
    parts, objectives, learner = _build(job, seed)
    state = _train(job, learner, objectives, seed, folder)
    weights = whole_weights(learner) if is_sharded(job.config.training) else None
    told = ""
    if ranks().is_first:
        if weights is not None:
            parts, objectives, learner = _build(job, seed)
            learner.load_state_dict(weights)
            learner.to(pick_device(job.config.training.device))
        told = json.dumps(_judge(job, parts, objectives[0], learner, state, seed, folder).to_dict())
    return SeedResult.from_dict(json.loads(ranks().tell(told)), folder)


def _build(job: Job, seed: int) -> tuple[AnyParts, list[Objective], Learner]:
    """Return the network as it starts under this seed, and its objectives, the task's first."""
    torch.manual_seed(derive("weights", seed) % 2**63)
    parts = for_task(for_sequences(load_any_parts(job.model)), job.config.encoder.rates)
    spread = parts.encoder.config.initializer_range
    config, learned = job.config, job.data.learned
    objective = build_head(parts.encoder, config.task, learned, config.readout, spread)
    beside = language_models(parts, config.lm_weight, is_new=config.transfer == "none")
    objectives = [objective, *beside]
    learner = build_learner(parts.encoder, objectives, config.transfer, config.freeze)
    if job.init_embeddings is not None:
        table = cast("Any", parts.encoder).token_embeddings
        say(str(fill_token_table(table, parts.tokenizer, job.init_embeddings)))
    return parts, objectives, learner


def _judge(
    job: Job,
    parts: AnyParts,
    objective: Objective,
    learner: Learner,
    state: TrainingState,
    seed: int,
    folder: Path,
) -> SeedResult:
    """Judge and save what a seed has learned."""
    task = job.config.task
    learned = task.settle(objective.head, job.data.learned)
    model = TaskModel(
        parts.encoder,
        objective.head,
        parts.tokenizer,
        task,
        learned,
        job.config.readout,
    )
    splits = {name: split for name, split in job.data.splits.items() if name != "train"}
    judged = {name: model.judge(split.examples, split.encoded) for name, split in splits.items()}
    if "dev" in judged:
        model.learned = task.tune(judged["dev"], splits["dev"].path)
    result = SeedResult(
        seed=seed,
        path=folder,
        steps=state.step,
        tokens=state.tokens,
        seconds=state.seconds,
        mix=mix_of(objective.head),
        figures={
            name: task.figures(replace(found, learned=model.learned), splits[name].path)
            for name, found in judged.items()
        },
    )
    card = model_card(
        result,
        task=task.kind,
        labels=model.labels,
        transfer=job.config.transfer,
        base=Path(job.model).name,
        is_static=parts.vectors is not None,
    )
    extra = model.to_config()
    save_model(
        *(folder / "model", learner, parts.tokenizer),
        card=card, extra=extra, vectors=parts.vectors, force=True,
    )  # fmt: skip
    write_json(folder / FIGURES, result.to_dict())
    # With the model saved, the optimizer's state has served its purpose.
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return result


def _train(
    job: Job, learner: Learner, objectives: list[Objective], seed: int, folder: Path
) -> TrainingState:
    """Train to the end of the budget, from the newest checkpoint if there is one."""
    training, objective = job.config.training, objectives[0]
    splits = _with_features(job, learner, objective)
    stream = Stream(
        job.config.task.asked(replace(splits["train"].encoded, seed=seed)),
        objectives,
        size=step_size(training),
        seed=seed,
        workers=training.loader_workers,
        ranks=ranks(),
    )

    def look() -> dict[str, float]:
        return _figures(job, learner, objective, splits["dev"])

    trainer = Trainer(
        learner,
        stream,
        training,
        seed=seed,
        log=MetricsLog(folder, f"seed {seed}", tensorboard=training.tensorboard),
        checkpoints=Checkpoints(folder / "checkpoints", training.keep_checkpoints),
        evaluate=look if "dev" in splits else None,
        score=lambda figures: figures[job.config.task.shown(job.data.learned)[0]],
    )
    return trainer.run()


def _with_features(job: Job, learner: Learner, objective: Objective) -> dict[str, Split]:
    """Return the files looked at while training, with what a frozen encoder makes of them."""
    splits = {name: split for name, split in job.data.splits.items() if name != "test"}
    is_static = isinstance(learner.encoder, LookupEncoder)
    # A row is found as soon as a feature.
    if not isinstance(learner, FrozenLearner) or is_static or ranks().size > 1:
        return splits
    training, learner.layers = job.config.training, layers_of(objective.head)
    if not learner.layers:
        return splits
    device = pick_device(training.device)
    learner.to(device).eval()

    def hidden_states(batch: Batch) -> list[Tensor]:
        with float32_products(device), computing(device, training.precision):
            return learner.hidden_states(batch.to(device))

    room, sizes = 1e9 * job.config.feature_cache_gb, cast("Any", learner.encoder).state_sizes
    for name, split in splits.items():
        kept = with_features(split.encoded, hidden_states, learner.layers, sizes, room)
        room -= 0 if kept.states is None else kept.states.nbytes
        splits[name] = replace(split, encoded=kept)
    return splits


@torch.no_grad()
def _figures(job: Job, learner: Learner, objective: Objective, split: Split) -> dict[str, float]:
    """Return the task's figures while it is learned, in the precision of the training."""
    device = next(learner.parameters()).device
    learner.eval()

    def scores(batch: Batch) -> Tensor:
        with float32_products(device), computing(device, job.config.training.precision):
            found: Tensor = learner(batch.to(device), scores_of=objective.name)[objective.name]
        return found

    judged = Judged(
        examples=split.examples,
        encoded=split.encoded,
        learned=job.data.learned,
        head=objective.head,
        rows=score_rows(scores, split.encoded, str(objective.head.rows_per)),
    )
    task = job.config.task
    # With thresholds as they would be chosen now: it is by these figures that a training stops.
    figures = task.figures(replace(judged, learned=task.tune(judged, split.path)), split.path)
    return {name: figures[name] for name in ("loss", *task.shown(judged.learned))}
