"""``gloze finetune``: a pre-trained encoder learns a task from labelled examples."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gloze.checkpoint import (
    Checkpoints,
    find_model,
    load_classifier,
    load_parts,
    save_model,
    with_dropout,
)
from gloze.config.runs import (
    note_data,
    refuse_other_seeds,
    run_folder,
    seed_folders,
    step_size,
)
from gloze.core.devices import pick_device
from gloze.core.errors import ConfigError, nearest
from gloze.core.files import read_json, write_json
from gloze.core.lists import as_list
from gloze.core.ranks import ranks
from gloze.core.rng import derive
from gloze.data.stream import Stream
from gloze.recipes.finetuning import FinetuneConfig, load_finetuning
from gloze.report import write_finetune_report
from gloze.tasks.classification import NAME
from gloze.tasks.classifier import TextClassifier
from gloze.tasks.formats import find_format
from gloze.tasks.labelled import LabelledData, encode_splits, read_splits
from gloze.tasks.results import (
    FIGURES,
    RESULTS,
    FinetuneResult,
    SeedResult,
    best_seed,
    model_card,
)
from gloze.training.distributed import is_sharded, whole_weights
from gloze.training.evaluate import evaluate_objectives
from gloze.training.log import MetricsLog
from gloze.training.loop import Trainer
from gloze.training.transfer import build_learner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.checkpoint import Parts
    from gloze.core.contracts import Objective
    from gloze.training.learner import Learner
    from gloze.training.state import TrainingState
    from gloze.training.transfer import Transfer

TASKS = (NAME,)


@dataclass(frozen=True)
class _Job:
    """What all seeds share."""

    model: str | Path
    config: FinetuneConfig
    data: LabelledData


def finetune(
    task: str,
    *,
    model: str | Path,
    train: str | Path,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    output: str | Path,
    transfer: Transfer | None = None,
    seeds: int = 1,
    seed: int | None = None,
    format: str | None = None,
    columns: str | dict[str, str] | None = None,
    recipe: str | Path | FinetuneConfig | None = None,
    settings: str | Sequence[str] = (),
    resume: bool = False,
    force: bool = False,
) -> FinetuneResult:
    """Fine-tune an encoder on labelled examples.

    Args:
        task: ``classification``.
        model: a model folder, ours or in Hugging Face layout; a run folder; a hub name.
        train: labelled examples: TSV, CSV, JSONL, Parquet, plain or compressed.
        dev: labelled examples that compare settings and seeds.
        test: labelled examples looked at once, at the end.
        output: the run folder; must not exist unless ``resume`` or ``force``.
        transfer: ``full`` (the default), ``frozen`` or ``none``.
        seeds: how many runs, with seeds one after the other; several each get a folder.
        seed: the first; replaces the recipe's.
        format: layout of the files: a name of GLUE, or tsv, csv, jsonl, parquet.
        columns: names of your columns, like ``text_a=sentence,label=gold``.
        recipe: a TOML file or a FinetuneConfig; by default one that suits the model's size.
        settings: changes to the recipe, each ``path=value``.
        resume: go on with what is in ``output``; finished seeds are kept.
        force: replace a run in ``output``.

    Raises:
        ConfigError: for an impossible recipe or call.
        DataError: for labelled files or a model that cannot be used.
        StoppedError: after a signal, with everything saved.
        DivergedError: if the loss diverges again and again.
    """
    _check_call(task, seeds)
    output, layout = Path(output), find_format(format, columns)
    paths = {"train": Path(train)}
    paths |= {name: Path(path) for name, path in (("dev", dev), ("test", test)) if path}
    examples = read_splits(paths, layout)
    parts = load_parts(model)
    config = load_finetuning(
        recipe,
        as_list(settings),
        transfer=transfer,
        hidden_size=parts.encoder.output_size,
        seed=seed,
    )
    parts = with_dropout(parts, config.encoder.rates)
    resolved = config.task.resolve(is_frozen=config.transfer == "frozen", metric=layout.metric)
    data = encode_splits(resolved, parts.encoder, parts.tokenizer, paths, examples)
    job = _Job(model, replace(config, task=resolved), data)
    inputs = [
        *paths.values(),
        find_model(model),
        *([recipe] if isinstance(recipe, str | Path) else []),
    ]
    with run_folder(output, job.config, inputs=inputs, resume=resume, force=force):
        refuse_other_seeds(output, seed_folders(job.config.seed, seeds, output), FIGURES)
        note_data(output, {**paths, "model": find_model(model) / "model.safetensors"})
        result = _run_seeds(job, task, seeds, output)
        if ranks().is_first:
            write_finetune_report(result)
            write_json(output / RESULTS, result.to_dict())
    return result


def _run_seeds(job: _Job, task: str, seeds: int, output: Path) -> FinetuneResult:
    folders = seed_folders(job.config.seed, seeds, output)
    results = [_finished(path) or _run_seed(job, seed, path) for seed, path in folders.items()]
    metric = job.config.task.metric
    return FinetuneResult(
        path=output,
        task=task,
        transfer=job.config.transfer,
        labels=job.data.labels,
        metric=metric,
        best_seed=best_seed(results, metric),
        seeds=tuple(results),
        encoding={name: split.encoded.summary() for name, split in job.data.splits.items()},
        load=load_classifier,
    )


def _check_call(task: str, seeds: int) -> None:
    if task not in TASKS:
        raise ConfigError(
            f"Unknown task {task!r}. {nearest(task, TASKS)}Known: {', '.join(TASKS)}."
        )
    if seeds < 1:
        raise ConfigError(f"--seeds {seeds}: at least one is needed.")


def _finished(folder: Path) -> SeedResult | None:
    """Return the result of a seed that an earlier sitting finished."""
    done = folder / FIGURES
    return SeedResult.from_dict(read_json(done), folder) if done.exists() else None


def _run_seed(job: _Job, seed: int, folder: Path) -> SeedResult:
    """Train one seed, judge it, save it."""
    parts, objective, learner = _build(job, seed)
    state = _train(job, learner, objective, seed, folder)
    weights = whole_weights(learner) if is_sharded(job.config.training) else None
    told = ""
    if ranks().is_first:
        if weights is not None:
            parts, objective, learner = _build(job, seed)
            learner.load_state_dict(weights)
            learner.to(pick_device(job.config.training.device))
        told = json.dumps(_judge(job, parts, objective, learner, state, seed, folder).to_dict())
    return SeedResult.from_dict(json.loads(ranks().tell(told)), folder)


def _build(job: _Job, seed: int) -> tuple[Parts, Objective, Learner]:
    """Return the network as it starts under this seed."""
    torch.manual_seed(derive("weights", seed) % 2**63)
    parts = with_dropout(load_parts(job.model), job.config.encoder.rates)
    spread = parts.encoder.config.initializer_range
    objective = job.config.task.build(parts.encoder, len(job.data.labels), spread)
    config = job.config
    learner = build_learner(parts.encoder, [objective], config.transfer, config.freeze)
    return parts, objective, learner


def _judge(
    job: _Job,
    parts: Parts,
    objective: Objective,
    learner: Learner,
    state: TrainingState,
    seed: int,
    folder: Path,
) -> SeedResult:
    """Judge and save what a seed has learned."""
    classifier = TextClassifier(
        parts.encoder,
        objective.head,
        parts.tokenizer,
        job.data.labels,
        job.config.task,
        pairs=job.data.pairs,
    )
    judged = {name: split for name, split in job.data.splits.items() if name != "train"}
    result = SeedResult(
        seed=seed,
        path=folder,
        steps=state.step,
        tokens=state.tokens,
        seconds=state.seconds,
        figures={
            name: classifier.figures(split.examples, split.path, split.encoded).to_dict()
            for name, split in judged.items()
        },
    )
    card = model_card(
        result,
        labels=job.data.labels,
        transfer=job.config.transfer,
        base=Path(job.model).name,
        trained_on=len(job.data.splits["train"].examples),
    )
    extra = classifier.to_config()
    save_model(folder / "model", learner, parts.tokenizer, card=card, extra=extra, force=True)
    write_json(folder / FIGURES, result.to_dict())
    # With the model saved, the optimizer's state has served its purpose.
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return result


def _train(
    job: _Job, learner: Learner, objective: Objective, seed: int, folder: Path
) -> TrainingState:
    """Train to the end of the budget, from the newest checkpoint if there is one."""
    training = job.config.training
    streams = {
        name: Stream(
            replace(split.encoded, seed=seed),
            [objective],
            size=step_size(training),
            seed=seed,
            workers=training.loader_workers,
            shuffle=name == "train",
            ranks=ranks(),
        )
        for name, split in job.data.splits.items()
    }

    def look() -> dict[str, float]:
        return evaluate_objectives(
            learner,
            streams["dev"],
            max_tokens=training.evaluation_tokens,
            precision=training.precision,
        )

    trainer = Trainer(
        learner,
        streams["train"],
        training,
        seed=seed,
        log=MetricsLog(folder, f"seed {seed}", tensorboard=training.tensorboard),
        checkpoints=Checkpoints(folder / "checkpoints", training.keep_checkpoints),
        evaluate=look if "dev" in streams else None,
    )
    return trainer.run()
