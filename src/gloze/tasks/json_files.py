"""JSON read strictly: no name twice, no NaN, no lone surrogate; arrays with the lines they take."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

from gloze.core.errors import DataError
from gloze.tasks.lines import open_data
from gloze.text.lines import BOM
from gloze.text.magic import refuse_known

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPACE = re.compile(r"[ \t\r\n]*")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a name is given twice")
    return values


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse)


def decode_json(text: str, start: int = 0) -> tuple[Any, int]:
    """Return the JSON value that begins at ``start``, and where it ends.

    Raises:
        ValueError: saying why it is none.
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
        if text.find("\\u", start, end) >= 0:
            # A lone surrogate, written as an escape, is no character and cannot be written again.
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("too deeply nested") from None
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate, which is no character") from None
    return value, end


def parse_json(text: str) -> Any:
    """Return the one JSON value that a text is.

    Raises:
        ValueError: saying why it is none.
    """
    value, end = decode_json(text, _skip(text, 0))
    if _skip(text, end) < len(text):
        raise ValueError(f"text after its end: {text[end : end + 40]!r}")
    return value


def words_in(text: str) -> list[str]:
    """Return the JSON array of texts that a cell is, as answers are written, or a text's words."""
    try:
        value = parse_json(text) if text.startswith("[") else None
    except ValueError:
        value = None
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return value
    return text.split()


def read_values(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield each value of a JSON file and the line it begins on.

    They are the elements of an array, or stand one after the other, such as one a line.

    Raises:
        DataError: naming the line, if the file is no JSON or holds nothing.
    """
    text = _read_text(path)
    at = _skip(text, 0)
    is_array = text.startswith("[", at)
    at = _skip(text, at + is_array)
    line = counted = 0
    is_empty = True
    while at < len(text) and not (is_array and text[at] == "]"):
        line, counted = line + text.count("\n", counted, at), at
        try:
            value, at = decode_json(text, at)
            at = _past_comma(text, _skip(text, at)) if is_array else _skip(text, at)
        except ValueError as error:
            # The decoder's own errors know their line, the others begin where the value does.
            where, reason = getattr(error, "lineno", line + 1), getattr(error, "msg", error)
            raise DataError(f"not valid JSON ({reason}).", path=path, line=where) from None
        is_empty = False
        yield line + 1, value
    if is_empty:
        raise DataError("there is nothing in it.", path=path)
    if is_array and _skip(text, at + 1) != len(text):
        after = text.count("\n", 0, at) + 1
        raise DataError("text after the end of the JSON array.", path=path, line=after)


def _past_comma(text: str, at: int) -> int:
    """Return where the next element begins, or the array ends."""
    if text.startswith("]", at):
        return at
    following = _skip(text, at + 1)
    if not text.startswith(",", at) or text[following : following + 1] in ("]", ""):
        raise json.JSONDecodeError("the array does not go on or end here", text, at)
    return following


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _read_text(path: Path) -> str:
    with open_data(path) as file:
        data = file.read().removeprefix(BOM)
    refuse_known(data, path)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"not UTF-8: byte 0x{data[error.start]:02x}.", path=path, line=line
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError("a NUL character.", path=path, line=line)
    return text
