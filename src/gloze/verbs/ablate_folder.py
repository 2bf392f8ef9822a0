"""The folder of an ablation: held by one process, with what it is; arms and tasks can be added."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.config.ablation import AblationConfig
from gloze.config.runs import note_corpus, note_data, save_resolved
from gloze.config.toml import from_dict, read_toml, to_dict
from gloze.core.errors import ConfigError
from gloze.core.files import locked, sweep, writing
from gloze.core.output import refuse_existing, refuse_inputs
from gloze.text.sources import STDIN

if TYPE_CHECKING:
    from collections.abc import Iterator

ABLATION, RESULTS, TABLE, REPORT = "ablation.toml", "results.json", "table.md", "report.html"
_DATA = "data"
_PARTS = (
    *(ABLATION, RESULTS, TABLE, REPORT, _DATA, "corpus.json"),
    *("tokenizers", "shards", "arms", "comparisons"),
)
# What may be other than it was: more of it.
_MAY_GROW = ("seeds", "pretrain_seeds")


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
        ConfigError: if it exists, is held by another process, or is of another ablation.
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
        path = output / ABLATION
        if path.exists():
            _refuse_changes(saved_ablation(output), config, path)
        save_resolved(config, path)
        if config.corpus:
            note_corpus(output, config.corpus, config.corpus)
        for name, task in config.tasks.items():
            note_data(output / _DATA / name, {k: Path(v) for k, v in task.files.items()})
        yield


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


def _refuse_changes(was: AblationConfig, now: AblationConfig, path: Path) -> None:
    """Refuse to go on with anything but what was begun, and more of it."""
    hint = f"Go on with what is in {path}, to which arms, tasks, shards and seeds can be added."
    if was.arms[0] != now.arms[0]:
        raise ConfigError(
            f"The first arm, which the others are compared with, was {was.arms[0].name} and is "
            f"now {now.arms[0].name}. {hint}"
        )
    arms = {arm.name: arm for arm in was.arms}, {arm.name: arm for arm in now.arms}
    _refuse_other("arm", *arms, hint)
    _refuse_other("task", was.tasks, now.tasks, hint)
    if gone := sorted(set(was.shards) - set(now.shards)):
        raise ConfigError(f"The shards {gone[0]} are left out. {hint}")
    before, after = to_dict(was), to_dict(now)
    for name in _MAY_GROW:
        if after[name] < before[name]:
            _refuse(name, before[name], after[name], hint)
    if was.seeds == 1 < now.seeds:
        hint = "A fine-tuning of one seed stays one: begin a new ablation with another -o."
        _refuse("seeds", was.seeds, now.seeds, hint)
    for name in ("budget", "corpus", "settings", "finetune_settings", "seed"):
        if before.get(name) != after.get(name):
            _refuse(name, before.get(name), after.get(name), hint)


def _refuse_other(kind: str, was: dict[str, Any], now: dict[str, Any], hint: str) -> None:
    for name, old in was.items():
        if name not in now:
            raise ConfigError(f"The {kind} {name} is left out. {hint}")
        if now[name] != old:
            raise ConfigError(f"The {kind} {name} is not what it was: {old}. {hint}")


def _refuse(name: str, before: Any, after: Any, hint: str) -> None:
    raise ConfigError(f"{name} was {before} and is now {after}. {hint}")
