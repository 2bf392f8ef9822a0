"""What a person names as a corpus, as a list of things to read."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gloze.core.errors import ConfigError, DataError
from gloze.core.files import writing
from gloze.core.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STDIN = "-"
HUB = "hf:"


class Source(NamedTuple):
    """One thing to read: a file's path, ``-`` or ``hf:NAME``, and whether a person named it."""

    name: str
    is_named: bool


def find_sources(inputs: Sequence[str | Path]) -> list[Source]:
    """Return the files of ``inputs`` in order; ``-`` and ``hf:NAME`` stay as they are.

    Folders are searched to any depth and globs expanded, both in sorted order and without
    hidden files.

    Raises:
        ConfigError: if there is no input, standard input twice, or a hub name without a name.
        DataError: if an input is not there, or a folder or glob gives no file.
    """
    if not inputs:
        raise ConfigError("No corpus was named: name files, folders, globs or -.")
    if sum(str(each) == STDIN for each in inputs) > 1:
        raise ConfigError("Standard input (-) is named twice, but can be read only once.")
    found: list[Source] = []
    for each in inputs:
        name = str(each)
        if name == HUB:
            raise ConfigError("hf: names no data set: write hf:NAME or hf:NAME:config.")
        if name == STDIN or name.startswith(HUB):
            found.append(Source(name, is_named=True))
        else:
            found += _files(Path(each))
    return found


def _files(path: Path) -> list[Source]:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        if glob.has_magic(str(path)):
            return [Source(str(file), is_named=False) for file in _matches(path)]
        is_absent = isinstance(error, FileNotFoundError)
        reason = "no such file or folder." if is_absent else f"cannot be read ({error})."
        raise DataError(reason, path=repr(str(path)) if "\0" in str(path) else path) from None
    if stat.S_ISDIR(mode):
        return [Source(str(file), is_named=False) for file in _below(path)]
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise DataError("a device or a socket, not a file.", path=path)
    return [Source(os.path.join(".", path) if str(path) == STDIN else str(path), is_named=True)]


def _matches(pattern: Path) -> list[Path]:
    try:
        names = sorted(glob.glob(str(pattern), recursive=True))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be searched ({error}).", path=repr(str(pattern))) from None
    matches = [Path(name) for name in names]
    if "**" in pattern.parts:  # the files of matching folders match as well
        matches = [path for path in matches if not path.is_dir()]
    if not matches:
        raise DataError("no file matches.", path=pattern)
    return [file for path in matches for file in (_below(path) if path.is_dir() else [path])]


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []
    passed_over: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        passed_over += [path for name in folders if (path := Path(parent, name)).is_symlink()]
        for path in (Path(parent, name) for name in files if not name.startswith(".")):
            (found if path.is_file() else passed_over).append(path)
    if passed_over:
        say(
            f"{folder}: {len(passed_over):,} links to folders or to nothing, pipes and devices "
            f"were passed over, such as {min(passed_over)}."
        )
    if not found:
        raise DataError("holds no files.", path=folder)
    return sorted(found)


def _refuse(error: OSError) -> None:
    raise DataError(f"cannot be read ({error.strerror}).", path=error.filename) from error


@contextlib.contextmanager
def readable_twice(inputs: Sequence[str | Path]) -> Iterator[list[str | Path]]:
    """Yield ``inputs`` with standard input, if among them, replaced by a copy on disk.

    For work that goes over its corpus more than once. The copy goes away at the end.

    Raises:
        WriteError: if the folder for temporary files is full.
    """
    if STDIN not in map(str, inputs):
        yield list(inputs)
        return
    with tempfile.TemporaryDirectory(prefix="gloze-") as folder:
        copy = Path(folder, "stdin")
        with writing(copy), copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        yield [copy if str(each) == STDIN else each for each in inputs]
