"""Lines of a file of labelled data, decoded strictly: nothing is dropped or stripped."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, BinaryIO

from gloze.core.errors import DataError
from gloze.text.compression import open_binary
from gloze.text.lines import Fault
from gloze.text.lines import read_lines as read_blocks
from gloze.text.magic import START_BYTES, refuse_known
from gloze.text.sources import STDIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

MAX_LINE_BYTES = 1 << 20
_HINT = "Lines of at most 1 MiB of UTF-8 are expected."


def check_file(path: Path) -> None:
    """Check that a file is there to be read; ``-`` is standard input.

    Raises:
        DataError: if there is none.
    """
    if str(path) != STDIN and not path.is_file():
        reason = "is a folder, not a file." if path.is_dir() else "not a file."
        raise DataError(reason if path.exists() else "no such file.", path=path)


def open_data(path: Path) -> AbstractContextManager[BinaryIO]:
    """Open a file, decompressed on the way, or standard input if the path is ``-``.

    Raises:
        DataError: if there is none.
    """
    if str(path) != STDIN:
        return open_binary(path)
    if sys.stdin is None:
        raise DataError("there is no standard input.", path=path)
    return nullcontext(sys.stdin.buffer)


def read_lines(path: Path, *, keep_ends: bool = False) -> Iterator[tuple[int, str]]:
    """Yield line number and text, without the line end unless it is asked for, of every line.

    The path ``-`` is standard input. Only LF and CRLF end a line; the rarer separators of
    Unicode are text. A byte-order mark is dropped.

    Raises:
        DataError: if it is no text, or all its line ends are bare CRs; at the first line that is
            not UTF-8, holds a NUL or is over 1 MiB; if the compressed data is cut, damaged or a
            bomb.
    """
    line = 0
    with open_data(path) as file:
        start = file.read(START_BYTES)
        refuse_known(start, path)
        if b"\r" in start.rstrip(b"\r\n") and b"\n" not in start:
            raise DataError(
                "its lines end in CR alone; LF or CRLF is expected.",
                path=path,
                hint="Convert it: tr '\\r' '\\n' < FILE > NEW.",
            )
        for block in read_blocks(
            file, max_bytes=MAX_LINE_BYTES, keep_spaces=True, keep_ends=keep_ends, start=start
        ):
            for text in block:
                line += 1
                if isinstance(text, Fault):
                    raise DataError(f"{text.reason}.", path=path, line=line, hint=_HINT)
                yield line, text
