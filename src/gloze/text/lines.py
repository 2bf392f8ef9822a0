"""Bytes become lines of text; faulty lines are dropped and told, never held beyond a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gloze.core.errors import DataError
from gloze.text.compressed import MAGIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gloze.text.report import Inspector

BOM = b"\xef\xbb\xbf"
NOT_UTF8 = "not UTF-8"
NUL = "NUL character"
TOO_LONG = "line too long"
SURROGATE = "lone surrogate"


def read_lines(
    blocks: Iterator[bytes], path: str, inspector: Inspector, *, is_text: bool
) -> Iterator[tuple[int, str]]:
    """Yield number and text of each sound line, blank ones too, without white space around it.

    A line ends with LF or CR LF. Other characters that some programs break lines at (a lone CR,
    form feed, U+0085, U+2028 ...) are white space inside a line. A BOM at the start is dropped.

    Raises:
        DataError: if the content is not text; with ``is_text`` unset at the first NUL in sight.
    """
    number = 0
    limit = inspector.options.max_line_bytes
    for chunk in _whole_lines(_checked(blocks, path, is_text=is_text), limit):
        if chunk is None:
            number += 1
            inspector.reject(path, number, TOO_LONG, _too_long(limit))
            continue
        text = _decode_all(chunk, limit)
        if text is not None:
            for line in text.split("\n"):
                number += 1
                yield number, line.strip()
            continue
        for raw in chunk.split(b"\n"):
            number += 1
            line_or_fault = decode_line(raw.removesuffix(b"\r"), limit)
            if isinstance(line_or_fault, tuple):
                inspector.reject(path, number, *line_or_fault)
            else:
                yield number, line_or_fault.strip()


def decode_line(raw: bytes, limit: int) -> str | tuple[str, str]:
    """Return the text of one line, or the kind of its fault and the fault in detail."""
    if len(raw) > limit:
        return TOO_LONG, _too_long(limit)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"byte {error.start + 1} of the line, 0x{raw[error.start]:02x}: {error.reason}"
        return NOT_UTF8, f"{NOT_UTF8} ({reason})"
    return (NUL, f"{NUL} at {text.index(chr(0)) + 1}") if "\0" in text else text


def fault_in_text(text: str, limit: int) -> tuple[str, str] | None:
    """Return kind and detail of the fault of a text that was never bytes, or None."""
    if len(text) > limit:
        return TOO_LONG, _too_long(limit)
    if text.isascii():
        return (NUL, f"{NUL} at {text.index(chr(0)) + 1}") if "\0" in text else None
    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        return SURROGATE, f"{SURROGATE} U+{code:04X} at {error.start + 1}"
    found = decode_line(raw, limit)
    return found if isinstance(found, tuple) else None


def _too_long(limit: int) -> str:
    return f"{TOO_LONG}: over {limit:,} bytes (max_line_bytes)"


def _decode_all(chunk: bytes, limit: int) -> str | None:
    """Return the text of many lines at once, or None if one of them is faulty."""
    if len(chunk) > limit and max(map(len, chunk.split(b"\n"))) > limit:
        return None
    try:
        text = chunk.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _whole_lines(blocks: Iterator[bytes], limit: int) -> Iterator[bytes | None]:
    """Yield runs of whole lines without the last LF, and None for a line over ``limit``."""
    pieces: list[bytes] = []
    held = 0
    skipping = False
    for block in blocks:
        cut = block.rfind(b"\n")
        start = 0
        if skipping:
            start = block.find(b"\n") + 1
            if not start:
                continue
            skipping = False
        if cut >= start:
            yield b"".join(pieces) + block[start:cut]
            pieces, held, start = [], 0, cut + 1
        rest = block[start:]
        pieces.append(rest)
        held += len(rest)
        if held > limit + 1:  # one more for the CR before an LF
            pieces, held, skipping = [], 0, True
            yield None
    if held:
        yield b"".join(pieces)


def _checked(blocks: Iterator[bytes], path: str, *, is_text: bool) -> Iterator[bytes]:
    """Pass blocks on without a BOM at the start, once the first one looks like text."""
    head = b""
    for block in blocks:
        head += block
        if len(head) >= len(BOM):
            break
    if head:
        _refuse_binary(head, path, is_text=is_text)
        yield head.removeprefix(BOM)
    yield from blocks


def _refuse_binary(head: bytes, path: str, *, is_text: bool) -> None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            "this is UTF-16, not UTF-8.",
            path=path,
            hint="Convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW",
        )
    for magic, suffix in MAGIC.items():
        if head.startswith(magic):
            raise DataError(
                f"this is {suffix} compressed data, not text.",
                path=path,
                hint=f"Give the file the suffix {suffix}, or unpack it first.",
            )
    # A stray NUL in a .txt is a faulty line; a text that is a tenth NULs is no text.
    if head.startswith(b"PAR1") or head.count(0) > (len(head) // 10 if is_text else 0):
        raise DataError(
            "this looks like a binary file, not text.",
            path=path,
            hint="Known: plain text, .jsonl, .parquet, each of the first two also as .gz .xz "
            ".bz2 .zst. Leave other files out of the corpus.",
        )
