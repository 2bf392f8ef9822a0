"""Run folders: held by one process, with the resolved recipe and a note of the data."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from contextlib import contextmanager
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from gloze.config.toml import from_dict, read_toml, to_dict, to_toml
from gloze.core.devices import pick_device
from gloze.core.errors import ConfigError, DataError
from gloze.core.files import (
    folders_named,
    locked,
    read_json,
    sweep,
    write_json,
    write_text,
    writing,
)
from gloze.core.launch import launch, launched, restarts
from gloze.core.manifest import sha256
from gloze.core.output import refuse_existing, refuse_inputs
from gloze.core.ranks import joined, ranks
from gloze.data.stream import StepSize
from gloze.text.sources import STDIN, find_sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gloze.core.ranks import Ranks
    from gloze.training.config import TrainingConfig

RECIPE, DATA, CORPUS, LAUNCH = "recipe.toml", "data.json", "corpus.json", ".launch"
SEARCH = "search.json"
# Names of the folders of a run of several seeds, or of a cross-validation.
SEEDS, FOLDS = r"seed-\d+", r"fold-\d+-of-\d+"
# What is there before a run has done any work, and what it takes no training to make again.
_NOTES = {RECIPE, DATA, CORPUS, SEARCH, LAUNCH, ".lock"}
_PREPARED = {"tokenizer", "shards", "counting", "counts"}
_RUN_FILES = (
    *(_NOTES | _PREPARED),
    *("checkpoints", "metrics.jsonl", "model", "vectors", "report.html", "refused", "tensorboard"),
    *("trials", "results.json", "figures.json"),
)
# What may differ between two sittings of a run: it has no say in the result, or none but rounding
# where the number of processes, which no recipe names, has as much.
_FREE = ("name", *(f"training.{n}" for n in ("loader_workers", "parallel", "timeout_seconds")))


@contextmanager
def run_folder(
    output: Path, config: Any, *, inputs: Iterable[str | Path], resume: bool, force: bool
) -> Iterator[Ranks]:
    """Hold a run folder, new or to go on with, and keep the resolved recipe in it.

    Processes that were started together join here and leave at the end; the first holds the
    folder. Those that the launcher starts anew go on with what is there.

    If what follows stops before any work was done, the folder is gone again; if it is refused
    before it trained anything, what a new run prepared goes with it.

    Args:
        output: must not exist unless ``resume`` or ``force``.
        config: the recipe; a resumed run must have begun with the same.
        inputs: what the run reads, which ``force`` must not remove.
        resume: go on with what is there; begin if there is nothing.
        force: remove what is there, if a run left it.

    Raises:
        ConfigError: if the folder exists, is held by another process, or the recipe changed.
        WriteError: if it cannot be written to.
    """
    if resume and force:
        raise ConfigError("--resume goes on with what is there and --force removes it: give one.")
    training = config.training
    if launched()[1] > 1 and ":" in training.device:
        raise ConfigError(
            f"training.device {training.device} is one device, and there are several processes: "
            "give cuda, and each takes its own."
        )
    with joined(training.device, training.timeout_seconds) as everyone:
        pick_device(training.device)
        if restarts() and _launch_of(output) == launch():
            resume, force = True, False
        with contextlib.ExitStack() as held:
            if everyone.is_first:
                held.enter_context(_held(output, config, inputs, resume=resume, force=force))
            everyone.tell("held")
            yield everyone


@contextmanager
def _held(
    output: Path, config: Any, inputs: Iterable[str | Path], *, resume: bool, force: bool
) -> Iterator[None]:
    if force and output.exists():
        refuse_inputs(output, inputs)
    if not resume:
        numbered = (path.name for path in folders_named(output, f"{SEEDS}|{FOLDS}"))
        refuse_existing(output, force=force, ours=(*_RUN_FILES, *numbered))
    with locked(output):
        if force and not resume:
            _empty(output)
        sweep(output)
        path = output / RECIPE
        is_new = not path.exists()
        try:
            keep_recipe(config, output)
            if launch():
                # Processes that are started anew may go on with what this launch has begun.
                write_text(output / LAUNCH, launch())
            yield
        except BaseException as error:
            is_refused = is_new and isinstance(error, ConfigError | DataError)
            if _holds(output) <= (_PREPARED if is_refused else set()):
                shutil.rmtree(os.path.realpath(output))
            raise


def _launch_of(output: Path) -> str | None:
    path = output / LAUNCH
    return path.read_text(encoding="utf-8") if path.exists() else None


def _holds(folder: Path) -> set[str]:
    """Return the names in a folder of what is more than notes, or holds more."""
    work = (path for path in folder.rglob("*") if path.is_file() and path.name not in _NOTES)
    return {path.relative_to(folder).parts[0] for path in work}


def keep_recipe(config: Any, folder: Path) -> None:
    """Write the resolved recipe into a folder, or see that it is the one that is there.

    Raises:
        ConfigError: if it is another.
    """
    path = folder / RECIPE
    if path.exists():
        _refuse_changes(_with_defaults(read_toml(path), type(config)), to_dict(config), path)
    else:
        save_resolved(config, path)


def _with_defaults(recipe: dict[str, Any], kind: type) -> dict[str, Any]:
    """Return a recipe with what settings that came in after it was written are by default."""
    own = {name: value for name, value in recipe.items() if name != "versions"}
    try:
        return to_dict(from_dict(kind, own))
    except ConfigError:
        return own


def save_resolved(config: Any, path: Path) -> None:
    """Write the resolved recipe with the versions it ran on."""
    versions = {name: version(name) for name in ("gloze", "torch", "numpy", "tokenizers")}
    notes = tomli_w.dumps({"versions": {**versions, "python": platform.python_version()}})
    write_text(path, f"{to_toml(config)}\n{notes}")


def note_data(output: Path, files: Mapping[str, Path]) -> None:
    """Note path and SHA-256 of the files that a run depends on.

    Of several processes the first does.

    Raises:
        DataError: if a file is not there, or the run began with other content.
    """
    if not ranks().is_first:
        return
    data = {}
    for name, path in sorted(files.items()):
        if not path.is_file():
            raise DataError("not a file." if path.exists() else "no such file.", path=path)
        data[name] = {"path": str(path), "sha256": sha256(path)}
    note = output / DATA
    if not note.exists():
        write_json(note, data)
    known = read_json(note)
    if not isinstance(known, dict):
        raise DataError("not a note of ours: it lists no files.", path=note)
    for name in sorted({*known, *data}):
        if known.get(name, {}).get("sha256") != data.get(name, {}).get("sha256"):
            raise DataError(
                f"not the {name} this run began with.",
                path=files.get(name),
                hint=f"It began with {known.get(name, {}).get('path', 'none')}: give that, or "
                "begin a new run with another -o.",
            )


def note_corpus(output: Path, named: Sequence[str | Path], files: Sequence[str | Path]) -> None:
    """Note path and SHA-256 of every file of the corpus that a run prepares for itself.

    Args:
        output: of the run.
        named: as the user named it.
        files: the same with standard input as a file.

    Raises:
        DataError: if the run began with another corpus.
    """
    note: list[dict[str, str]] = []
    for name, file in zip(named, files, strict=True):
        for source in find_sources([file]):
            shown = str(name) if str(name) == STDIN else source.name
            path = Path(source.name)
            content = {"sha256": sha256(path)} if path.is_file() else {}
            note.append({"path": shown, **content})
    path = output / CORPUS
    if not path.exists():
        write_json(path, note)
    nothing: dict[str, str] = {}
    for was, now in zip_longest(read_json(path), note, fillvalue=nothing):
        if was.get("sha256", was.get("path")) != now.get("sha256", now.get("path")):
            raise DataError(
                "the run began with another corpus.",
                path=now.get("path", was.get("path")),
                hint=f"{path} lists what it was: give that, or begin a new run with another -o.",
            )


def seed_folders(first: int, seeds: int, output: Path) -> dict[int, Path]:
    """Return each seed's folder: its own if there are several."""
    if seeds == 1:
        return {first: output}
    return {seed: output / f"seed-{seed}" for seed in range(first, first + seeds)}


def refuse_other_seeds(output: Path, folders: dict[int, Path], done: str) -> None:
    """Refuse to go on with a run of one seed as one of several, or with fewer than it has.

    Args:
        output: the run.
        folders: of the seeds asked for.
        done: the file that a finished seed leaves.

    Raises:
        ConfigError: if there are seeds that ``folders`` does not name.
    """
    there = set(folders_named(output, SEEDS))
    if (output / "checkpoints").is_dir() or (output / done).exists():
        there.add(output)
    if odd := sorted(there - set(folders.values())):
        raise ConfigError(
            f"{odd[0]} is of a run with other --seeds. Give as many seeds as it began with or "
            "more (a run of one stays one), or begin a new run with another -o."
        )


def step_size(training: TrainingConfig) -> StepSize:
    """Return how much one update of this training sees."""
    return StepSize(
        tokens=training.batch_tokens,
        sequences=training.batch_size,
        micro_batch_tokens=training.micro_batch_tokens,
    )


def _empty(folder: Path) -> None:
    with writing(folder):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != ".lock":
                path.unlink()


def _refuse_changes(old: dict[str, Any], new: dict[str, Any], path: Path) -> None:
    was, now = _flat(old), _flat(new)
    changed = [
        f"{name} was {was.get(name, 'not set')} and is now {now.get(name, 'not set')}"
        for name in sorted(set(was) | set(now))
        if was.get(name) != now.get(name) and name not in _FREE
    ]
    if changed:
        raise ConfigError(
            f"An exact resume needs the recipe the run began with ({path}): "
            f"{'; '.join(changed)}. Leave the change out, or begin a new run with another -o."
        )


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
