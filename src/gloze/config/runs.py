"""Run folders: held by one process, with the resolved recipe and a note of the data."""

from __future__ import annotations

import platform
import shutil
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from gloze.config.toml import read_toml, to_dict, to_toml
from gloze.core.errors import ConfigError, DataError, GlozeError
from gloze.core.files import (
    locked,
    read_json,
    refuse_existing,
    sha256,
    sweep,
    write_json,
    write_text,
    writing,
)
from gloze.data.stream import StepSize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gloze.training.config import TrainingConfig

RECIPE, DATA = "recipe.toml", "data.json"
_OURS = {RECIPE, DATA, ".lock"}
# What may differ between two sittings of a run: it has no say in the result.
_FREE = ("name", "training.loader_workers")


@contextmanager
def run_folder(output: Path, config: Any, *, resume: bool, force: bool) -> Iterator[None]:
    """Hold a run folder, new or to go on with, and keep the resolved recipe in it.

    If what follows is refused before it wrote anything of its own, a new folder is gone again.

    Args:
        output: must not exist unless ``resume`` or ``force``.
        config: the recipe; a resumed run must have begun with the same.
        resume: go on with what is there; begin if there is nothing.
        force: remove what is there.

    Raises:
        ConfigError: if the folder exists, is held by another process, or the recipe changed.
        WriteError: if it cannot be written to.
    """
    if not resume:
        refuse_existing(output, force=force)
    with locked(output):
        if force and not resume:
            _empty(output)
        sweep(output)
        path = output / RECIPE
        if path.exists():
            _refuse_changes(read_toml(path), to_dict(config), path)
        else:
            save_resolved(config, path)
        try:
            yield
        except GlozeError:
            if {file.name for file in output.iterdir()} <= _OURS:
                shutil.rmtree(output)
            raise


def save_resolved(config: Any, path: Path) -> None:
    """Write the resolved recipe with the versions it ran on."""
    versions = {name: version(name) for name in ("gloze", "torch", "numpy", "tokenizers")}
    notes = tomli_w.dumps({"versions": {**versions, "python": platform.python_version()}})
    write_text(path, f"{to_toml(config)}\n{notes}")


def note_data(output: Path, files: Mapping[str, Path]) -> dict[str, Any]:
    """Note path and SHA-256 of the files that a run depends on, and return the note.

    Raises:
        DataError: if the run began with other content.
    """
    data = {
        name: {"path": str(path), "sha256": sha256(path)} for name, path in sorted(files.items())
    }
    note = output / DATA
    if not note.exists():
        write_json(note, data)
    known = read_json(note)
    for name in sorted({*known, *data}):
        if known.get(name, {}).get("sha256") != data.get(name, {}).get("sha256"):
            raise DataError(
                f"not the {name} this run began with.",
                path=files.get(name),
                hint=f"It began with {known.get(name, {}).get('path', 'none')}: give that, or "
                "begin a new run with another -o.",
            )
    return data


def models_of(run: Path) -> dict[str, Path]:
    """Return the model folders of a run by seed; of a run with one seed or a model, by ``-``.

    Raises:
        ConfigError: if there is none.
    """
    for folder in (run, run / "model"):
        if (folder / "config.json").is_file():
            return {"-": folder}
    found = {
        path.parent.name.removeprefix("seed-"): path
        for path in run.glob("seed-*/model")
        if (path / "config.json").is_file()
    }
    if not found:
        missing = "" if run.exists() else " (no such folder)"
        raise ConfigError(f"{run}{missing} holds no model: give a run folder or a model folder.")
    return dict(sorted(found.items(), key=lambda item: int(item[0])))


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
        if was.get(name) != now.get(name) and not name.startswith("versions.") and name not in _FREE
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
