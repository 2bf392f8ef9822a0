"""What a person names becomes a list of files, and a file becomes blocks of bytes."""

from __future__ import annotations

import glob
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal

from gloze.core.errors import ConfigError, DataError
from gloze.text.compressed import BLOCK_BYTES, COMPRESSIONS, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gloze.text.report import ReadOptions

STANDARD_INPUT = "-"
HUB_PREFIX = "hf:"
TEXT_SUFFIXES = frozenset({".txt", ".text", ".md", ".rst"})
_KINDS: dict[str, Literal["text", "jsonl", "parquet"]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_GLOB_CHARACTERS = frozenset("*?[")


@dataclass(frozen=True)
class Source:
    """One file, data set or stream of a corpus.

    Attributes:
        name: as it is shown to a person.
        kind: how its content is read.
        compression: the suffix of its compression, or nothing.
        suffix: of the content.
        is_found: met in a folder or by a glob, not named by a person.
    """

    name: str
    kind: Literal["text", "jsonl", "parquet", "hub"]
    compression: str = ""
    suffix: str = ".txt"
    is_found: bool = False

    @property
    def has_known_suffix(self) -> bool:
        """Return whether the suffix says how the content is to be read."""
        return self.kind != "text" or self.suffix in TEXT_SUFFIXES


def find_sources(inputs: Sequence[str | Path]) -> list[Source]:
    """Return all files of a corpus in the order named; folders and globs in sorted order.

    Raises:
        DataError: if a file is missing, is a device, or a glob or folder gives nothing.
        ConfigError: if nothing is named, or standard input twice.
    """
    if isinstance(inputs, (str, Path)):
        inputs = [inputs]
    if not inputs:
        raise ConfigError(
            "No corpus is named. Name files, folders, globs, or - for standard input."
        )
    if sum(1 for name in inputs if str(name) == STANDARD_INPUT) > 1:
        raise ConfigError("Standard input (-) is named twice, but it can be read only once.")
    return [source for name in inputs for source in _expand(name)]


def read_blocks(source: Source, options: ReadOptions) -> Iterator[bytes]:
    """Yield the unpacked bytes of a source in blocks of at most 256 KiB.

    Raises:
        DataError: if it cannot be read, or its compressed data is cut, damaged or a bomb.
    """
    blocks = _raw_blocks(source.name)
    if not source.compression:
        return blocks
    return unpack(blocks, source.compression, source.name, options)


def _raw_blocks(name: str) -> Iterator[bytes]:
    try:
        if name == STANDARD_INPUT:
            if sys.stdin is None:
                raise DataError("standard input is closed.", path=name)
            stream: Any = sys.stdin.buffer
            while block := stream.read1(BLOCK_BYTES):  # as a pipe fills
                yield block
            return
        with Path(name).open("rb", buffering=0) as file:
            while block := file.read(BLOCK_BYTES):
                yield block
    except OSError as error:
        raise cannot_read(name, error) from None


def cannot_read(name: str, error: OSError) -> DataError:
    """Return the error for a file the system refuses to read."""
    return DataError(f"cannot be read: {error.strerror or error}.", path=name)


def _expand(name: str | Path) -> list[Source]:
    text = str(name)
    if text == STANDARD_INPUT:
        return [Source(STANDARD_INPUT, "text")]
    if isinstance(name, str) and text.startswith(HUB_PREFIX):
        return [Source(text, "hub")]
    try:
        if os.path.lexists(text):
            return _walk(text, is_found=False)
        if _GLOB_CHARACTERS.isdisjoint(text):
            raise DataError("no such file or folder.", path=text, hint="Check the path.")
        found = sorted(glob.glob(text, recursive=True), key=_sort_key)
    except ValueError as error:
        raise DataError(f"not a path ({error}).", path=repr(text)) from None
    # ** gives a folder and also what is in it: each file is to be read once.
    sources = [
        source
        for path in found
        if not ("**" in text and Path(path).is_dir())
        for source in _walk(path, is_found=True)
    ]
    if not sources:
        raise DataError("no file matches.", path=text, hint="Check the pattern.")
    return sources


def _walk(path: str, *, is_found: bool) -> list[Source]:
    """Return a file, or the files below a folder that are not hidden, sorted by their path."""
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        raise cannot_read(path, error) from None
    if not stat.S_ISDIR(mode):
        return [_file(path, mode, is_found=is_found)]
    files: list[str] = []
    for folder, folders, names in os.walk(path, onerror=_refuse_folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [os.path.join(folder, name) for name in names if not name.startswith(".")]
    if not files:
        raise DataError("no file in this folder (hidden ones do not count).", path=path)
    return [
        source for file in sorted(files, key=_sort_key) for source in _walk(file, is_found=True)
    ]


def _refuse_folder(error: OSError) -> None:
    raise cannot_read(str(error.filename), error)


def _sort_key(path: str) -> tuple[str, ...]:
    return PurePath(path).parts


def _file(path: str, mode: int, *, is_found: bool) -> Source:
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise DataError(
            "this is a device or a socket, not a file.",
            path=path,
            hint="For standard input write -.",
        )
    suffixes = [suffix.lower() for suffix in PurePath(path).suffixes]
    compression = suffixes.pop() if suffixes and suffixes[-1] in COMPRESSIONS else ""
    suffix = suffixes[-1] if suffixes else ""
    kind: Literal["text", "jsonl", "parquet"] = _KINDS.get(suffix, "text")
    if kind == "parquet" and compression:
        raise DataError(
            f"Parquet inside {compression} cannot be read as a stream.",
            path=path,
            hint="Unpack it: Parquet is compressed inside.",
        )
    return Source(path, kind, compression, suffix, is_found)
