"""The folder of an ablation: held by one process, with what it is; arms and tasks can be added."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.config.ablation import AblationConfig, ArmConfig, ComparisonTask
from gloze.config.runs import note_corpus, note_data, save_resolved
from gloze.config.toml import from_dict, read_toml, to_dict
from gloze.core.errors import ConfigError, DataError
from gloze.core.files import locked, sweep, writing
from gloze.core.lists import as_list
from gloze.core.output import refuse_existing, refuse_inputs
from gloze.text.sources import STDIN

if TYPE_CHECKING:
    from collections.abc import Iterator

ABLATION, RESULTS, TABLE, REPORT = "ablation.toml", "results.json", "table.md", "report.html"
ARMS, COMPARISONS, TOKENIZERS, SHARDS = "arms", "comparisons", "tokenizers", "shards"
_DATA = "data"
_PARTS = (
    *(ABLATION, RESULTS, TABLE, REPORT, _DATA, "corpus.json"),
    *(ARMS, COMPARISONS, TOKENIZERS, SHARDS),
)


def saved_ablation(output: Path) -> AblationConfig:
    """Return what an ablation was begun as.

    Raises:
        ConfigError: if there is none in the folder.
    """
    path = output / ABLATION
    if not path.is_file():
        raise ConfigError(f"Nothing to go on with: {path} is not there. Name arms to be compared.")
    return from_dict(AblationConfig, without_notes(read_toml(path)), str(path))


@contextmanager
def ablation_folder(
    output: Path, config: AblationConfig, *, resume: bool, force: bool
) -> Iterator[None]:
    """Hold the folder of an ablation, new or to go on with, and keep what the ablation is in it.

    Raises:
        ConfigError: if it exists, or is held by another process.
        DataError: if labelled files or the corpus are not those it began with.
    """
    if resume and force:
        raise ConfigError("--resume goes on with what is there and --force removes it: give one.")
    files = [path for task in config.tasks.values() for path in task.files.values()]
    models = [arm.model for arm in config.arms if arm.model is not None]
    if STDIN in config.corpus:
        raise ConfigError("--corpus -: an ablation may read its text again, so name a file.")
    if force:
        refuse_inputs(output, [*config.corpus, *config.shards, *files, *models])
    if not resume:
        refuse_existing(output, force=force, ours=_PARTS)
    with locked(output):
        sweep(output)
        if force:
            _empty(output)
        is_new = not (output / ABLATION).exists()
        save_resolved(config, output / ABLATION)
        try:
            if config.corpus:
                note_corpus(output, config.corpus, config.corpus)
            for name, task in config.tasks.items():
                note_data(output / _DATA / name, {k: Path(v) for k, v in task.files.items()})
            yield
        except (ConfigError, DataError):
            # What is refused before anything is trained leaves nothing.
            if is_new and not (output / ARMS).exists():
                shutil.rmtree(os.path.realpath(output))
            raise


def _empty(output: Path) -> None:
    with writing(output):
        for path in (output / name for name in _PARTS):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def without_notes(values: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a file without what the writing of it noted there."""
    return {name: value for name, value in values.items() if name != "versions"}


def added_to(output: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of an ablation that is there, with what is asked for added.

    Args:
        output: the folder of the ablation.
        values: what is asked for: arms, tasks, shards and seeds are added; anything else has to
            be as it was, if it is named at all.

    Raises:
        ConfigError: if something is asked for that is there already, and otherwise.
    """
    saved = saved_ablation(output)
    there = to_dict(saved)
    asked = [from_dict(ArmConfig, arm, "arms") for arm in values.get("arms", ())]
    arms = {arm.name: arm for arm in saved.arms}
    for arm in asked:
        old = arms.get(arm.name, arm)
        # Of an arm that could not begin nothing is lost.
        if old != arm and (output / ARMS / old.folder).exists():
            _refuse(f"The arm {arm.name}", to_dict(old), to_dict(arm), output)
        arms[arm.name] = arm
    tasks = dict(there.get("tasks", {}))
    for name, task in values.get("tasks", {}).items():
        own = to_dict(from_dict(ComparisonTask, task, f"tasks.{name}"))
        if tasks.get(name, own) != own:
            _refuse(f"The task {name}", tasks[name], own, output)
        tasks[name] = own
    shards = list(dict.fromkeys([*there.get("shards", ()), *as_list(values.get("shards", ()))]))
    for name in ("budget", "corpus", "settings", "finetune_settings", "seed"):
        if values.get(name) and values[name] != there.get(name):
            _refuse(name, there.get(name), values[name], output)
    seeds = {name: values.get(name, there[name]) for name in ("seeds", "pretrain_seeds")}
    for name, count in seeds.items():
        # What is no number is refused with all the rest.
        is_number = isinstance(count, int)
        if is_number and (count < there[name] or (name == "seeds" and count > there[name] == 1)):
            _refuse(name, there[name], count, output)
    listed = [to_dict(arm) for arm in arms.values()]
    return {**there, "arms": listed, "tasks": tasks, "shards": shards, **seeds}


def _refuse(what: str, before: Any, after: Any, output: Path) -> None:
    raise ConfigError(
        f"{what} was {before} and is now {after}. An ablation goes on as it began: arms and tasks "
        "of other names, shards and more seeds can be added (one fine-tuning stays one). Begin a "
        f"new one with another -o; {output / ABLATION} says what this one is."
    )
