"""Plain text, JSON lines and the rows of tables, as documents."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from gloze.core.errors import DataError, MissingExtraError, nearest
from gloze.text.lines import Fault, check_text, plain_spaces, read_lines
from gloze.text.report import CUT
from gloze.text.sources import HUB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gloze.text.report import Ledger

MAX_NAMES = 20


@dataclass(frozen=True)
class Document:
    """A text, cut into paragraphs.

    Attributes:
        paragraphs: none of them empty; in text of one sentence a line, the sentences.
        source: ``path:line`` of its first line, or ``path:row``.
    """

    paragraphs: list[str]
    source: str


def read_text(file: BinaryIO, source: str, ledger: Ledger, start: bytes) -> Iterator[Document]:
    """Yield the documents of plain text: blank lines lie between them."""
    options = ledger.options
    number = size = first = 0
    is_empty = True
    paragraphs: list[str] = []
    for lines in read_lines(file, max_bytes=options.max_line_bytes, start=start):
        for line in lines:
            number += 1
            is_cut = size > options.max_document_bytes
            if isinstance(line, Fault):
                ledger.count(1)
                ledger.drop(source, number, *line)
                is_empty = False
            elif text := line.strip():
                if is_cut:
                    ledger.remark(source, number, CUT)
                    yield _document(paragraphs, source, first, ledger)
                    paragraphs, size = [], 0
                if not paragraphs:
                    first, is_empty = number, False
                paragraphs.append(text)
                size += len(text)
            elif paragraphs and not options.one_document_per_file:
                yield _document(paragraphs, source, first, ledger)
                paragraphs, size = [], 0
    if paragraphs:
        yield _document(paragraphs, source, first, ledger)
    elif is_empty:
        ledger.empty(source, 1)


def _document(paragraphs: list[str], source: str, first: int, ledger: Ledger) -> Document:
    ledger.count(len(paragraphs))
    return Document(paragraphs, f"{source}:{first}")


def read_jsonl(file: BinaryIO, source: str, ledger: Ledger, start: bytes) -> Iterator[Document]:
    """Yield a document for each line of JSON."""
    return documents_of_rows(_json_rows(file, source, ledger, start), source, ledger)


def _json_rows(
    file: BinaryIO, source: str, ledger: Ledger, start: bytes
) -> Iterator[tuple[int, Any]]:
    first_line = start.lstrip().partition(b"\n")[0].rstrip()
    if first_line.startswith(b"[") and not first_line.endswith(b"]"):
        raise DataError(
            "a JSON array over several lines, and one object a line is read.",
            path=source,
            line=1,
            hint="Write each object on a line of its own: jq -c '.[]' FILE.",
        )
    number, options = 0, ledger.options
    for lines in read_lines(file, max_bytes=options.max_line_bytes, keep_spaces=True, start=start):
        for line in lines:
            number += 1
            if isinstance(line, Fault):
                yield number, line
            elif line and not line.isspace():
                yield number, _parse(line, options.text_column)


def _parse(line: str, column: str) -> Any:
    """Return the text of a line of JSON, whatever it is, or what is wrong with the line."""
    try:
        row = json.loads(line, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except RecursionError:
        return Fault("not JSON", "not JSON (nested too deeply)")
    except ValueError as error:
        return Fault("not JSON", f"not JSON ({error})")
    if not isinstance(row, dict):
        return Fault("not an object", f"JSON, but not an object ({type(row).__name__})")
    if column not in row:
        return Fault("no text", f"no field {column!r}; there are: {list_names(row)}")
    return row[column]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def list_names(names: Iterable[str]) -> str:
    """Return the first names, quoted and shortened, for a message."""
    listed = [ascii(name[:50]) for name in names]
    more = f" and {len(listed) - MAX_NAMES} more" if len(listed) > MAX_NAMES else ""
    return (", ".join(listed[:MAX_NAMES]) or "none") + more


def documents_of_rows(
    rows: Iterable[tuple[int, Any]], source: str, ledger: Ledger
) -> Iterator[Document]:
    """Yield a document for each row whose text can be used.

    ``rows`` gives the number of each row, and its text or a Fault.
    """
    is_empty = True
    for number, value in rows:
        is_empty = False
        ledger.count(1)
        fault = _check(value, ledger.options.max_line_bytes)
        if fault is not None:
            ledger.drop(source, number, *fault)
        elif paragraphs := _paragraphs(value):
            yield Document(paragraphs, f"{source}:{number}")
        else:
            ledger.empty(source, number)
    if is_empty:
        ledger.empty(source, 1)


def _check(value: object, max_bytes: int) -> Fault | None:
    if isinstance(value, Fault):
        return value
    if value is None:
        return Fault("no text", "the text is null")
    if not isinstance(value, str):
        return Fault("not a string", f"the text is no string ({type(value).__name__})")
    return check_text(value, max_bytes)


def _paragraphs(text: str) -> list[str]:
    lines = plain_spaces(text.removeprefix("\ufeff")).split("\n")
    return [line for line in map(str.strip, lines) if line]


def read_hub(name: str, ledger: Ledger) -> Iterator[Document]:
    """Yield a document for each row of the train split of ``hf:NAME`` or ``hf:NAME:config``.

    Raises:
        MissingExtraError: if the ``datasets`` library is absent.
        DataError: if the data set cannot be reached or has no such column.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("datasets", "hub", f"Reading {name}") from None
    return documents_of_rows(_hub_rows(datasets, name, ledger.options.text_column), name, ledger)


def _hub_rows(datasets: Any, name: str, column: str) -> Iterator[tuple[int, Any]]:
    dataset, _, config = name.removeprefix(HUB).partition(":")
    try:
        rows = datasets.load_dataset(dataset, config or None, split="train", streaming=True)
        for number, row in enumerate(rows, start=1):
            if number == 1:
                check_column(column, list(row), name)
            yield number, row.get(column)
    except DataError:
        raise
    except Exception as error:  # the library lets through the errors of a dozen others
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise DataError(f"cannot be read ({reason}).", path=name) from error


def check_column(column: str, names: list[str], source: str) -> None:
    """Refuse a table that has no column, or several, of the name ``column``."""
    if names.count(column) != 1:
        what = "more than one" if column in names else "no"
        raise DataError(
            f"{what} column {column!r}; there are: {list_names(names)}.",
            path=source,
            hint=f"{nearest(column, names)}Name the one with the text: --text-column (of gloze "
            "prepare and gloze tokenizer).",
        )
