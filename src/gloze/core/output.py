"""What a command may write over: only what is ours, and never what it reads."""

from __future__ import annotations

import os
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from gloze.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Left by us beside anything, or by a system that shows folders.
_ANYWHERE = (".lock", ".tmp-*", ".DS_Store")


def refuse_existing(path: Path, *, force: bool, ours: Sequence[str] = ()) -> None:
    """Raise ConfigError if ``path`` exists and may not be replaced.

    Args:
        path: to be written.
        force: replace it, if it is ours.
        ours: the names, as patterns, that a folder of this kind holds: one with any other name
            in it is somebody's work. None means that ``path`` is a file.
    """
    if not os.path.lexists(path):
        return
    if not force:
        raise ConfigError(f"{path} exists already. Choose another -o, or replace it with --force.")
    if path.is_dir() != bool(ours):
        found, wanted = ("folder", "file") if path.is_dir() else ("file", "folder")
        raise ConfigError(f"{path} is a {found}, and a {wanted} is to be written: choose another.")
    for name in sorted(os.listdir(path)) if ours else ():
        if not any(fnmatch(name, pattern) for pattern in (*ours, *_ANYWHERE)):
            raise ConfigError(
                f"{path} holds {name}, which gloze does not write there, so --force leaves it "
                "alone. Choose another -o, or remove the folder yourself."
            )


def refuse_inputs(output: Path, inputs: Iterable[str | Path]) -> None:
    """Raise ConfigError if writing over ``output`` would remove an input."""
    written = Path(os.path.realpath(output))
    does = f"remove it with all of {output}" if written.is_dir() else "write over it"
    for each in inputs:
        if os.path.exists(each) and Path(os.path.realpath(each)).is_relative_to(written):
            raise ConfigError(f"This command reads {each}, and would {does}. Choose another -o.")
