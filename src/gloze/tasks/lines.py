"""Lines of a file of labelled data, decoded strictly: nothing is dropped or stripped."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, BinaryIO

from gloze.core.errors import DataError
from gloze.text.compression import open_binary
from gloze.text.lines import Fault
from gloze.text.lines import read_lines as read_blocks
from gloze.text.sources import STDIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

MAX_LINE_BYTES = 1 << 20
_HINT = "Lines of at most 1 MiB of UTF-8 are expected."


def _open(path: Path) -> AbstractContextManager[BinaryIO]:
    if str(path) != STDIN:
        return open_binary(path)
    if sys.stdin is None:
        raise DataError("there is no standard input.", path=path)
    return nullcontext(sys.stdin.buffer)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line number and text, without the line end, of every line.

    The path ``-`` is standard input. Only LF and CRLF end a line; the rarer separators of
    Unicode are text. A byte-order mark is dropped.

    Raises:
        DataError: at the first line that is not UTF-8, holds a NUL or is over 1 MiB, or if the
            compressed data is cut, damaged or a bomb.
    """
    line = 0
    with _open(path) as file:
        for block in read_blocks(file, max_bytes=MAX_LINE_BYTES, keep_spaces=True):
            for text in block:
                line += 1
                if isinstance(text, Fault):
                    raise DataError(f"{text.reason}.", path=path, line=line, hint=_HINT)
                yield line, text
