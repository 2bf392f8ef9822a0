"""Lines of a stream of bytes, decoded strictly, in bounded memory."""

from __future__ import annotations

import re
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, AnyStr, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLOCK_BYTES = 1 << 18
BOM = b"\xef\xbb\xbf"
# Form feeds, Unicode's line separators and their like are spaces here, never line ends: other
# programs would count the lines in another way, and BERT's normalizer would glue the words.
_ODD_SPACE = re.compile("[\t\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_ODD_BYTES = (
    *(bytes([code]) for code in (9, 11, 12, 13, 28, 29, 30, 31)),
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xa9",
)


class Fault(NamedTuple):
    """What is wrong with a line or row: the kind, and the reason for a person."""

    kind: str
    reason: str


NUL = Fault("NUL", "a NUL character")
SURROGATE = Fault("lone surrogate", "a lone surrogate, which is no character")


def too_long(max_bytes: int) -> Fault:
    """Return the fault of a line or row over ``max_bytes``."""
    return Fault("too long", f"over {max_bytes:,} bytes")


def plain_spaces(text: str) -> str:
    """Return ``text`` with tabs, form feeds, U+0085, U+2028 and their like as spaces."""
    return _ODD_SPACE.sub(" ", text)


def check_text(text: str, max_bytes: int) -> Fault | None:
    """Return what is wrong with a text that did not come as bytes, if anything."""
    if "\0" in text:
        return NUL
    if not text.isascii():
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            return SURROGATE
    else:
        size = len(text)
    return too_long(max_bytes) if size > max_bytes else None


def read_lines(
    file: BinaryIO,
    *,
    max_bytes: int,
    keep_spaces: bool = False,
    keep_ends: bool = False,
    start: bytes = b"",
) -> Iterator[list[str | Fault]]:
    """Yield the lines of ``file`` in order, in lists; a line that cannot be used is a Fault.

    LF and CRLF end a line, nothing else does. A byte-order mark at the start is dropped. A line
    over ``max_bytes`` is never held whole. Odd spaces become plain ones unless ``keep_spaces``.
    Lines are without their ends unless ``keep_ends``. ``start`` is what was read of the file
    already.
    """
    is_first = True
    blocks = chain([start] if start else [], iter(partial(file.read, BLOCK_BYTES), b""))
    for block in _whole_lines(blocks, max_bytes):
        if block is None:
            yield [too_long(max_bytes)]
        else:
            data = block.removeprefix(BOM) if is_first else block
            yield _decode(data, max_bytes, keep_spaces=keep_spaces, keep_ends=keep_ends)
        is_first = False


def _whole_lines(blocks: Iterable[bytes], max_bytes: int) -> Iterator[bytes | None]:
    """Yield blocks that end where a line ends; None stands for a line that is too long."""
    held: list[bytes] = []
    size, is_too_long = 0, False
    for block in blocks:
        start = 0
        if is_too_long:
            start = block.find(b"\n") + 1
            if not start:
                continue
            is_too_long = False
            yield None
        end = block.rfind(b"\n") + 1
        if end > start:
            yield b"".join([*held, block[start:end]])
            held, size, start = [], 0, end
        held.append(block[start:])
        size += len(block) - start
        if size > max_bytes + 2:  # a CRLF may follow, and does not count
            held, size, is_too_long = [], 0, True
    if is_too_long:
        yield None
    elif size:
        yield b"".join(held)


def _decode(
    data: bytes, max_bytes: int, *, keep_spaces: bool, keep_ends: bool
) -> list[str | Fault]:
    each = partial(_decode_line, max_bytes=max_bytes, keep_spaces=keep_spaces, keep_ends=keep_ends)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return [each(line) for line in _cut(data, b"\n")]
    if len(data) > max_bytes or "\0" in text:
        return [each(line) for line in _cut(data, b"\n")]
    if keep_ends:
        return [*_cut(text, "\n")]
    if b"\r\n" in data:
        text = text.replace("\r\n", "\n")
    if not keep_spaces and any(odd in data for odd in _ODD_BYTES):
        text = plain_spaces(text)
    lines: list[str | Fault] = list(text.split("\n"))
    if not lines[-1]:
        lines.pop()
    return lines


def _cut(data: AnyStr, end: AnyStr) -> list[AnyStr]:
    """Return the lines of some data, each with its end."""
    lines = data.split(end)
    last = lines.pop()
    return [line + end for line in lines] + [last] * bool(last)


def _decode_line(data: bytes, max_bytes: int, *, keep_spaces: bool, keep_ends: bool) -> str | Fault:
    bare = data.removesuffix(b"\n").removesuffix(b"\r")
    if len(bare) > max_bytes:
        return too_long(max_bytes)
    if b"\0" in bare:
        return NUL
    try:
        text = (data if keep_ends else bare).decode()
    except UnicodeDecodeError as error:
        byte = data[error.start]
        return Fault("not UTF-8", f"not UTF-8: byte 0x{byte:02x} at byte {error.start + 1}")
    return text if keep_spaces else plain_spaces(text)
