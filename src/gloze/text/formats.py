"""Plain text, JSONL, Parquet and data sets of a hub become documents."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gloze.core.errors import DataError, MissingExtraError
from gloze.text.lines import fault_in_text, read_lines
from gloze.text.report import CUT_DOCUMENT, EMPTY_DOCUMENT, EMPTY_FILE, UNKNOWN_SUFFIX
from gloze.text.sources import HUB_PREFIX, STANDARD_INPUT, cannot_read, read_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gloze.text.report import Inspector
    from gloze.text.sources import Source

NOT_JSON = "not JSON"
NOT_OBJECT = "not a JSON object"
NO_COLUMN = "no text column"
NOT_STRING = "text is not a string"


@dataclass(frozen=True)
class Document:
    """Paragraphs that belong together, in their order.

    Attributes:
        paragraphs: none is empty, none has white space around it.
        source: ``path:line`` of the first line, or ``path:row``.
    """

    paragraphs: list[str]
    source: str


class _Builder:
    """Gathers paragraphs to documents, cutting those too long to hold."""

    def __init__(self, name: str, inspector: Inspector) -> None:
        self.name, self._inspector = name, inspector
        self._limit = inspector.options.max_document_bytes
        self._paragraphs: list[str] = []
        self._line = self._size = 0

    def add(self, line: int, paragraph: str) -> Document | None:
        """Add a paragraph; return the document it would have made too long."""
        full = None
        # Bytes are estimated: exact ones would cost an encoding, and the limit is about memory.
        size = len(paragraph) if paragraph.isascii() else 3 * len(paragraph)
        if self._paragraphs and self._size + size > self._limit:
            self._inspector.note(self.name, line, CUT_DOCUMENT)
            full = self.end()
        if not self._paragraphs:
            self._line = line
        self._paragraphs.append(paragraph)
        self._size += size
        return full

    def end(self) -> Document | None:
        """Return the document gathered so far, if there is one."""
        if not self._paragraphs:
            return None
        document = Document(self._paragraphs, f"{self.name}:{self._line}")
        self._inspector.accept(self._paragraphs)
        self._paragraphs, self._size = [], 0
        return document


def read_text(source: Source, inspector: Inspector) -> Iterator[Document]:
    """Yield the documents of plain text: a paragraph a line, a blank line between documents."""
    if source.is_found and not source.has_known_suffix:
        inspector.note(source.name, 1, UNKNOWN_SUFFIX)
    is_text = source.has_known_suffix or source.name == STANDARD_INPUT
    builder, splits = _Builder(source.name, inspector), not inspector.options.one_document_per_file
    lines_before = inspector.report.lines
    blocks = read_blocks(source, inspector.options)
    for number, line in read_lines(blocks, source.name, inspector, is_text=is_text):
        document = None
        if line:
            inspector.count_line()
            document = builder.add(number, line)
        elif splits:
            document = builder.end()
        if document:
            yield document
    last = builder.end()
    if last:
        yield last
    if inspector.report.lines == lines_before:
        inspector.note(source.name, 1, EMPTY_FILE)


def read_jsonl(source: Source, inspector: Inspector) -> Iterator[Document]:
    """Yield a document for each line that is a JSON object with the text column."""
    reader = _Rows(source.name, inspector)
    is_empty = True
    blocks = read_blocks(source, inspector.options)
    for number, line in read_lines(blocks, source.name, inspector, is_text=True):
        if not line:
            continue
        is_empty = False
        try:
            value = json.loads(line, object_pairs_hook=_object, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            inspector.reject(source.name, number, NOT_JSON, f"{NOT_JSON} ({reason})")
            continue
        if isinstance(value, dict):
            yield from reader.documents(number, value)
        else:
            reason = f"{NOT_OBJECT} but {type(value).__name__}"
            inspector.reject(source.name, number, NOT_OBJECT, reason)
    if is_empty:
        inspector.note(source.name, 1, EMPTY_FILE)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name appears twice in one object")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


class _Rows:
    """Rows with a text column become documents."""

    def __init__(self, name: str, inspector: Inspector) -> None:
        self.name, self._inspector = name, inspector
        self._column = inspector.options.text_column
        self._builder = _Builder(name, inspector)

    def documents(self, number: int, row: Mapping[str, Any]) -> Iterator[Document]:
        """Yield the document of a row: one, none if faulty or empty, several if it is long."""
        if self._column not in row:
            found = ", ".join(sorted(map(str, row))[:10]) or "none"
            reason = f"{NO_COLUMN} {self._column!r} (found: {found[:200]})"
            self._inspector.reject(self.name, number, NO_COLUMN, reason)
            return
        yield from self.document(number, row[self._column])

    def document(self, number: int, text: Any) -> Iterator[Document]:
        """Yield the document of a text: newlines end paragraphs, blank lines nothing more."""
        if not isinstance(text, str):
            what = "null" if text is None else type(text).__name__
            self._inspector.reject(self.name, number, NOT_STRING, f"{NOT_STRING} but {what}")
            return
        fault = fault_in_text(text, self._inspector.options.max_line_bytes)
        if fault:
            self._inspector.reject(self.name, number, *fault)
            return
        self._inspector.count_line()
        paragraphs = [line for line in map(str.strip, text.split("\n")) if line]
        if not paragraphs:
            self._inspector.note(self.name, number, EMPTY_DOCUMENT)
        for paragraph in paragraphs:
            full = self._builder.add(number, paragraph)
            if full:
                yield full
        last = self._builder.end()
        if last:
            yield last


def read_parquet(source: Source, inspector: Inspector) -> Iterator[Document]:
    """Yield a document for each row of a Parquet file, read a batch of rows at a time.

    Raises:
        DataError: if it is cut, damaged or a bomb, or has no text column of strings.
    """
    from pyarrow import ArrowException

    from gloze.text.parquet import text_batches

    reader = _Rows(source.name, inspector)
    number = 0
    try:
        for texts in text_batches(source.name, inspector.options):
            for text in texts:
                number += 1
                yield from reader.document(number, text)
    except UnicodeDecodeError:
        raise DataError("text that is not UTF-8.", path=source.name, line=number + 1) from None
    except (ArrowException, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"not readable as Parquet: {reason}", path=source.name) from None
    except OSError as error:
        raise cannot_read(source.name, error) from None
    if not number:
        inspector.note(source.name, 1, EMPTY_FILE)


def read_hub(source: Source, inspector: Inspector) -> Iterator[Document]:
    """Yield a document for each row of the train split of ``hf:NAME`` or ``hf:NAME:CONFIG``.

    Raises:
        MissingExtraError: if the ``datasets`` library is not installed.
        DataError: if the library cannot give the data set.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("datasets", "hub", f"Reading {source.name}") from None
    name, _, config = source.name.removeprefix(HUB_PREFIX).partition(":")
    reader = _Rows(source.name, inspector)
    number = 0
    rows = _hub_rows(datasets, source.name, name, config or None)
    for number, row in enumerate(rows, start=1):
        yield from reader.documents(number, row)
    if not number:
        inspector.note(source.name, 1, EMPTY_FILE)


def _hub_rows(
    datasets: Any, source: str, name: str, config: str | None
) -> Iterator[Mapping[str, Any]]:
    # The library raises errors of a dozen packages; all mean that the data cannot be had.
    try:
        yield from datasets.load_dataset(name, config, split="train", streaming=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise DataError(f"the data set cannot be read: {reason}", path=source) from error
