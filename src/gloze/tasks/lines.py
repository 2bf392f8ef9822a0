"""Lines of a text file of labelled data, decoded strictly."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gloze.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE_BYTES = 1 << 20


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line number and text, without the line end, of every line.

    Only LF and CRLF end a line; the rarer separators of Unicode are text. A byte-order mark is
    dropped.

    Raises:
        DataError: at the first line that is not UTF-8, holds a NUL or is over 1 MiB, or where
            the compression is broken.
    """
    line = 0
    try:
        with _open(path) as file:
            while data := file.readline(MAX_LINE_BYTES + 2):
                line += 1
                yield line, _decode(path, line, data)
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        raise DataError(f"cannot be read ({error}).", path=path, line=line + 1) from error


def _decode(path: Path, line: int, data: bytes) -> str:
    if len(data) > MAX_LINE_BYTES:
        raise DataError(f"the line is over {MAX_LINE_BYTES} bytes.", path=path, line=line)
    try:
        text = data.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"not UTF-8 (byte 0x{data[error.start]:02x}).",
            path=path,
            line=line,
            column=error.start + 1,
            hint="Save the file as UTF-8.",
        ) from None
    if "\0" in text:
        raise DataError(
            "a NUL character.", path=path, line=line, column=text.index("\0") + 1
        )
    return text.removesuffix("\n").removesuffix("\r")


def _open(path: Path) -> IO[bytes]:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return gzip.open(path, "rb")
    if suffix == ".bz2":
        return bz2.open(path, "rb")
    if suffix == ".xz":
        return lzma.open(path, "rb")
    return path.open("rb")
