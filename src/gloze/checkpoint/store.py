"""Training checkpoints: whole or absent, and never loaded when damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gloze.checkpoint.parts import are_parts, holds_parts, read_parts, save_parts, take_parts
from gloze.core.errors import DataError, WriteError
from gloze.core.files import folders_named, new_folder, read_json, sweep
from gloze.core.manifest import verify_manifest, write_manifest
from gloze.core.progress import say
from gloze.core.ranks import ranks

if TYPE_CHECKING:
    from torch import Tensor

_STATE = "state.json"
_SPARE = 1.2


class Checkpoints:
    """The checkpoints of a run: ``step-NNNNNNN`` folders with a manifest, the newest kept.

    Of several processes the first writes; where each holds a part of the weights, each writes
    its own. The folder must be the same to all.

    Args:
        folder: holds the checkpoints; made when first saved to.
        keep: how many of the newest are kept.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep
        if folder.exists() and ranks().is_first:
            sweep(folder)

    def save(
        self,
        step: int,
        tensors: dict[str, dict[str, Tensor]],
        state: dict[str, Any],
        *,
        spare: int | None = None,
    ) -> Path:
        """Save one checkpoint and then remove the oldest over the number kept.

        Args:
            step: where training stands.
            tensors: by group and name.
            state: as JSON can hold it.
            spare: step of a checkpoint that stays however old it is.

        Raises:
            WriteError: if the disk is full or the folder cannot be written to; older
                checkpoints are untouched.
        """
        path = self._path(step)
        if are_parts(tensors):
            self._save_parts(path, tensors, state)
        else:
            ranks().once(lambda: self._save_whole(path, tensors, state))
        if ranks().is_first:
            self._remove_oldest(spare)
        return path

    def _save_whole(
        self, path: Path, tensors: dict[str, dict[str, Tensor]], state: dict[str, Any]
    ) -> None:
        self._check_space()
        with new_folder(path, force=True) as temporary:
            for name, group in tensors.items():
                save_tensors(group, temporary / f"{name}.safetensors")
            _finish(temporary, state)

    def _save_parts(
        self, path: Path, tensors: dict[str, dict[str, Tensor]], state: dict[str, Any]
    ) -> None:
        if ranks().is_first:
            self._check_space()
            with new_folder(path, force=True) as temporary:
                save_parts(tensors, Path(ranks().tell(str(temporary))))
                _finish(temporary, state)
        else:
            save_parts(tensors, Path(ranks().tell("")))
        ranks().tell("saved")

    def _remove_oldest(self, spare: int | None) -> None:
        for old in self.paths()[self.keep :]:
            if spare is None or old != self._path(spare):
                shutil.rmtree(old, ignore_errors=True)

    def at(self, step: int) -> Path:
        """Return the checkpoint of that step.

        Raises:
            DataError: if it is not there, or damaged.
        """
        path = self._path(step)
        if not path.exists():
            raise DataError("this checkpoint is gone, whose weights were the best.", path=path)
        verify_manifest(path)
        return path

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:07d}"

    def paths(self) -> list[Path]:
        """Return the checkpoint folders, newest first."""
        paths = folders_named(self.folder, r"step-\d+")
        return sorted(paths, key=lambda path: int(path.name.removeprefix("step-")), reverse=True)

    def latest(self) -> Path | None:
        """Return the newest checkpoint that is intact; say which were passed over and why.

        All processes get the answer of the first.

        Raises:
            DataError: if there are checkpoints and none is intact.
        """
        found = self._newest_intact() if ranks().is_first else None
        told = ranks().tell("" if found is None else found.name)
        return self.folder / told if told else None

    def _newest_intact(self) -> Path | None:
        reasons = []
        for path in self.paths():
            try:
                verify_manifest(path)
                return path
            except DataError as error:
                reasons.append(str(error))
                say(f"Checkpoint passed over: {error}")
        if reasons:
            raise DataError(
                f"no checkpoint is intact: {reasons[0]}",
                path=self.folder,
                hint="Restore one from a copy, or start again with --force.",
            )
        return None

    def read(
        self, path: Path, like: dict[str, dict[str, Tensor]] | None = None
    ) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
        """Read a checkpoint: tensors and state.

        Args:
            path: from :meth:`latest`.
            like: tensors of which this process holds parts: it gets the same parts.

        Raises:
            DataError: if it cannot be read.
        """
        if holds_parts(path):
            tensors = read_parts(path, like)
        else:
            tensors = {p.stem: load_tensors(p) for p in sorted(path.glob("*.safetensors"))}
            tensors = tensors if like is None else take_parts(tensors, like)
        return tensors, read_json(path / _STATE)

    def _check_space(self) -> None:
        paths = self.paths()
        if not paths:
            return
        needed = int(_SPARE * sum(file.stat().st_size for file in paths[0].iterdir()))
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise WriteError(
                f"Cannot save to {self.folder}: a checkpoint needs {needed:,} bytes and {free:,} "
                "are free. Older checkpoints are intact: free some space, then use --resume."
            )


def _finish(folder: Path, state: dict[str, Any]) -> None:
    (folder / _STATE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    write_manifest(folder)


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors.

    Raises:
        WriteError: if the disk is full or the place cannot be written to.
    """
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(own, path, metadata={"format": "pt"})
    except (SafetensorError, OSError) as error:
        size = sum(tensor.nbytes for tensor in own.values())
        raise WriteError(
            f"Cannot write {path} ({size:,} bytes): {error}. Free some space or choose another -o."
        ) from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read safetensors.

    Raises:
        DataError: if the file is absent, cut or not safetensors.
    """
    if not path.is_file():
        raise DataError("no such file.", path=path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"not readable as safetensors: {error}.", path=path) from error
