"""Each format of a corpus, as documents: plain text, JSON lines, Parquet, a hub's rows."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from gloze.core.errors import DataError, MissingExtraError, nearest
from gloze.text.compression import MAX_RATIO, RATIO_FREE_BYTES
from gloze.text.lines import Fault, check_text, plain_spaces, read_lines
from gloze.text.sources import HUB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from gloze.text.report import Ledger

PARQUET_ROWS = 256


@dataclass(frozen=True)
class Document:
    """A text, cut into paragraphs.

    Attributes:
        paragraphs: none of them empty; in text of one sentence a line, the sentences.
        source: ``path:line`` of its first line, or ``path:row``.
    """

    paragraphs: list[str]
    source: str


def read_text(file: BinaryIO, source: str, ledger: Ledger) -> Iterator[Document]:
    """Yield the documents of plain text: blank lines lie between them.

    Raises:
        DataError: if a document is too large to be held.
    """
    options = ledger.options
    number = size = first = 0
    has_text = False
    paragraphs: list[str] = []
    for lines in read_lines(file, max_bytes=options.max_line_bytes):
        for line in lines:
            number += 1
            if isinstance(line, Fault):
                has_text = True
                ledger.count(1)
                ledger.drop(source, number, *line)
            elif text := line.strip():
                if not paragraphs:
                    first = number
                paragraphs.append(text)
                size += len(text)
                if size > options.max_document_bytes:
                    raise _too_large(source, first, options.max_document_bytes)
            elif paragraphs and not options.one_document_per_file:
                has_text = True
                ledger.count(len(paragraphs))
                yield Document(paragraphs, f"{source}:{first}")
                paragraphs, size = [], 0
    if paragraphs:
        ledger.count(len(paragraphs))
        yield Document(paragraphs, f"{source}:{first}")
    elif not has_text:
        ledger.empty(source, 1)


def _too_large(source: str, line: int, size: int) -> DataError:
    return DataError(
        f"the document that begins here is over {size:,} characters.",
        path=source,
        line=line,
        hint="Put blank lines between documents, or raise max_document_bytes.",
    )


def read_jsonl(file: BinaryIO, source: str, ledger: Ledger) -> Iterator[Document]:
    """Yield a document for each line of JSON."""
    rows = _json_rows(file, ledger.options.max_line_bytes, ledger.options.text_column)
    return _documents(rows, source, ledger)


def _json_rows(file: BinaryIO, max_bytes: int, column: str) -> Iterator[tuple[int, Any]]:
    number = 0
    for lines in read_lines(file, max_bytes=max_bytes, keep_spaces=True):
        for line in lines:
            number += 1
            if isinstance(line, Fault):
                yield number, line
            elif line and not line.isspace():
                yield number, _parse(line, column)


def _parse(line: str, column: str) -> Any:
    """Return the text of a line of JSON, whatever it is, or what is wrong with the line."""
    try:
        row = json.loads(line, parse_constant=_refuse_constant)
        if not isinstance(row, dict):
            return Fault("not an object", f"a JSON {_json_type(row)}, not an object")
        if column not in row:
            return Fault("no text", f"no field {column!r}; there are: {_names(row)}")
        if line.count(json.dumps(column)) > 1:
            json.loads(line, object_pairs_hook=_refuse_twice)
        return row[column]
    except RecursionError:
        return Fault("not JSON", "nested too deeply")
    except ValueError as error:
        return Fault("not JSON", f"not JSON ({error})")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _refuse_twice(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            raise ValueError(f"the name {name!r} twice in one object")
        seen.add(name)


def _json_type(value: object) -> str:
    kinds = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")


def _names(names: Iterable[str], most: int = 20) -> str:
    listed = [repr(name[:50]) for name in names]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return (", ".join(listed[:most]) or "none") + more


def _documents(rows: Iterable[tuple[int, Any]], source: str, ledger: Ledger) -> Iterator[Document]:
    """Yield a document for each row whose text can be used."""
    max_bytes = ledger.options.max_line_bytes
    has_rows = False
    for number, value in rows:
        has_rows = True
        ledger.count(1)
        fault = _check_value(value, max_bytes)
        if fault is not None:
            ledger.drop(source, number, *fault)
        elif paragraphs := _paragraphs(value):
            yield Document(paragraphs, f"{source}:{number}")
        else:
            ledger.empty(source, number)
    if not has_rows:
        ledger.empty(source, 1)


def _check_value(value: object, max_bytes: int) -> Fault | None:
    if isinstance(value, Fault):
        return value
    if value is None:
        return Fault("no text", "the text is null")
    if not isinstance(value, str):
        return Fault("not a string", f"the text is a {type(value).__name__}, not a string")
    return check_text(value, max_bytes)


def _paragraphs(text: str) -> list[str]:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    lines = (plain_spaces(line).strip() for line in text.split("\n"))
    return [line for line in lines if line]


def read_parquet(path: Path, ledger: Ledger) -> Iterator[Document]:
    """Yield a document for each row of a Parquet file.

    Raises:
        DataError: if the file is broken, or has no such column of strings.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    column = ledger.options.text_column
    try:
        # Without these two, a whole row group is held at once.
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            schema = file.schema_arrow
            _check_column(column, schema.names, str(path))
            kind = schema.field(column).type
            if pa.types.is_dictionary(kind):
                kind = kind.value_type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise DataError(f"the column holds {kind}, not strings.", path=path, column=column)
            batches = file.iter_batches(PARQUET_ROWS, columns=[column])
            rows = _parquet_rows(batches, path, ledger.options.max_decompressed_bytes)
            yield from _documents(rows, str(path), ledger)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"not a whole Parquet file ({reason}).", path=path) from error


def _parquet_rows(batches: Iterable[Any], path: Path, max_bytes: int) -> Iterator[tuple[int, Any]]:
    number = size = 0
    on_disk = path.stat().st_size
    for batch in batches:
        size += batch.nbytes
        if size > max_bytes or (size > RATIO_FREE_BYTES and size > MAX_RATIO * on_disk):
            raise DataError(
                f"grows to over {size:,} bytes when decompressed.",
                path=path,
                hint="If it is no decompression bomb, write it without compression.",
            )
        for value in batch.column(0):
            number += 1
            try:
                text = value.as_py()
            except UnicodeDecodeError:
                text = Fault("not UTF-8", "the text is not UTF-8")
            yield number, text


def _check_column(column: str, names: list[str], source: str) -> None:
    if column not in names:
        raise DataError(
            f"no column {column!r}; there are: {_names(names)}.",
            path=source,
            hint=f"{nearest(column, names)}Choose it with --text-column.",
        )


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
    dataset, _, config = name.removeprefix(HUB).partition(":")
    try:
        rows = datasets.load_dataset(dataset, config or None, split="train", streaming=True)
        yield from _documents(_hub_rows(rows, name, ledger.options.text_column), name, ledger)
    except DataError:
        raise
    except Exception as error:  # the library raises whatever its many parts raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DataError(f"cannot be read ({reason}).", path=name) from error


def _hub_rows(rows: Iterable[Any], name: str, column: str) -> Iterator[tuple[int, Any]]:
    for number, row in enumerate(rows, start=1):
        if number == 1:
            _check_column(column, list(row), name)
        yield number, row.get(column)


def rewind(file: BinaryIO, start: bytes) -> BinaryIO:
    """Return a stream that begins with ``start`` and goes on with ``file``."""
    return io.BufferedReader(_Rewound(file, start), 1 << 17)


class _Rewound(io.RawIOBase):
    def __init__(self, file: BinaryIO, start: bytes) -> None:
        self._file, self._start = file, start

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._start[: len(buffer)] or self._file.read(len(buffer))
        self._start = self._start[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)
