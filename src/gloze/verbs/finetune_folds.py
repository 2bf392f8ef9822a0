"""Cross-validation: each fold of the examples held out once from training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gloze.config.runs import FOLDS
from gloze.core.errors import ConfigError
from gloze.core.files import folders_named, read_json
from gloze.tasks.folds import deal
from gloze.tasks.results import FIGURES, SeedResult
from gloze.verbs.finetune_seed import run_seed

if TYPE_CHECKING:
    from pathlib import Path

    from gloze.config.finetuning import FinetuneConfig
    from gloze.core.batch import Bools, Ints
    from gloze.verbs.finetune_job import Given, Job


def deal_out(given: Given, config: FinetuneConfig, folds: int) -> Ints:
    """Return the fold of each example of the training file, from 1.

    Raises:
        ConfigError: if there are too few examples, or they are to be seen among those around.
    """
    if getattr(config.task, "context", None) == "document":
        raise ConfigError(
            "--folds deals sentences out one by one, so that none stands in its document any more: "
            "set task.context=sentence."
        )
    labels = [getattr(example, "label", None) for example in given.examples["train"]]
    known = [label if isinstance(label, str) else None for label in labels]
    return deal(known, folds, config.seed) + 1


def run_folds(given: Given, job: Job, fold: Ints, output: Path) -> list[SeedResult]:
    """Train on all folds but one, judge on that one, for each; return the results by fold.

    What labels there are is known from all examples, so that none is unknown in a fold.

    Args:
        given: the examples.
        job: on all of them.
        fold: of each, from 1.
        output: the run folder.

    Raises:
        ConfigError: if the run began with another number of folds.
    """
    folds = int(fold.max())
    folders = {each: output / f"fold-{each}-of-{folds}" for each in range(1, folds + 1)}
    if odd := sorted(set(folders_named(output, FOLDS)) - set(folders.values())):
        raise ConfigError(
            f"{odd[0]} is of a run with other --folds. Give as many as it began with, or begin a "
            "new run with another -o."
        )
    return [
        replace(_run_fold(given, job, fold == each, folder), seed=each)
        for each, folder in folders.items()
    ]


def _run_fold(given: Given, job: Job, is_held_out: Bools, folder: Path) -> SeedResult:
    if (folder / FIGURES).exists():
        return SeedResult.from_dict(read_json(folder / FIGURES), folder)
    parts: dict[bool, list[Any]] = {True: [], False: []}
    for example, at in zip(given.examples["train"], is_held_out.tolist(), strict=True):
        parts[at].append(example)
    own = given.job_of(job.config, parts[False], parts[True], job.data.learned)
    return run_seed(own, job.config.seed, folder)
