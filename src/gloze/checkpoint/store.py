"""Training checkpoints: whole or absent, and never loaded when damaged."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gloze.core.errors import DataError, WriteError
from gloze.core.files import new_folder, read_json, sweep
from gloze.core.manifest import verify_manifest, write_manifest
from gloze.core.progress import say

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_STATE = "state.json"
_SPARE = 1.2


class Checkpoints:
    """The checkpoints of a run: ``step-NNNNNNN`` folders with a manifest, the newest kept.

    Args:
        folder: holds the checkpoints; made when first saved to.
        keep: how many of the newest are kept.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep
        if folder.exists():
            sweep(folder)

    def save(self, step: int, tensors: dict[str, dict[str, Tensor]], state: dict[str, Any]) -> Path:
        """Save one checkpoint and then remove the oldest over the number kept.

        Raises:
            WriteError: if the disk is full or the folder cannot be written to; older
                checkpoints are untouched.
        """
        path = self.folder / f"step-{step:07d}"
        self._check_space()
        with new_folder(path, force=True) as temporary:
            for name, group in tensors.items():
                save_tensors(group, temporary / f"{name}.safetensors")
            (temporary / _STATE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
            write_manifest(temporary)
        for old in self.paths()[self.keep :]:
            shutil.rmtree(old, ignore_errors=True)
        return path

    def paths(self) -> list[Path]:
        """Return the checkpoint folders, newest first."""
        paths = self.folder.glob("step-[0-9]*")
        return sorted(paths, key=lambda path: int(path.name.removeprefix("step-")), reverse=True)

    def latest(self) -> tuple[Path, dict[str, dict[str, Tensor]], dict[str, Any]] | None:
        """Return the newest checkpoint that is intact; say which were passed over and why.

        Raises:
            DataError: if there are checkpoints and none is intact.
        """
        reasons = []
        for path in self.paths():
            try:
                verify_manifest(path)
                tensors = {p.stem: load_tensors(p) for p in sorted(path.glob("*.safetensors"))}
                return path, tensors, read_json(path / _STATE)
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
