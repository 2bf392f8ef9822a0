"""Tables of labelled data, row by row: TSV, CSV, JSONL and Parquet, with line numbers."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gloze.core.errors import ConfigError, DataError
from gloze.tasks.json_files import parse_json
from gloze.tasks.lines import check_file, read_lines
from gloze.text.compression import COMPRESSED
from gloze.text.sources import STDIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Kind = Literal["tsv", "csv", "jsonl", "parquet"]
KINDS: tuple[Kind, ...] = ("tsv", "csv", "jsonl", "parquet")
# Of a cell of CSV, which may go over many lines.
MAX_CELL = 1 << 24
_SUFFIXES: dict[str, Kind] = {
    ".tsv": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}


@dataclass(frozen=True)
class Row:
    """One row of a table: what each column holds, and the line (or row of Parquet) it is on."""

    line: int
    values: dict[str, Any]


def kind_of(path: Path) -> Kind:
    """Return what kind of table a file is, by its name.

    Raises:
        DataError: if the name does not tell.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    if not suffixes or suffixes[-1] not in _SUFFIXES:
        if str(path) == STDIN:
            raise DataError("standard input has no name to tell what it is: say --format.")
        if path.is_dir():
            raise DataError("is a folder, not a file.", path=path)
        raise DataError(
            "cannot tell from the name what kind of table this is.",
            path=path,
            hint=f"Name it {', '.join(sorted(_SUFFIXES))}, or say --format tsv, csv, jsonl or "
            "parquet.",
        )
    return _SUFFIXES[suffixes[-1]]


def refuse_parquet_stdin(path: Path, kind: str | None) -> None:
    """Refuse standard input that is to be Parquet, which is read from its end.

    Raises:
        ConfigError: if it is.
    """
    if kind == "parquet" and str(path) == STDIN:
        raise ConfigError("Parquet cannot be read from standard input: name the file.")


def read_rows(
    path: Path,
    kind: Kind,
    *,
    names: Callable[[list[str]], Sequence[str] | None] = lambda first: None,
    optional: int = 0,
    on_broken: Callable[[DataError], None] | None = None,
) -> Iterator[Row]:
    """Yield the rows of a table in their order, in memory bounded by the longest.

    Args:
        path: the file; compressed by its suffix. ``-`` is standard input, for all but Parquet.
        kind: what it holds. TSV has no quoting: a lone ``"`` is text.
        names: for TSV and CSV, given the cells of the first line: the names of the columns if
            that line is a row already, None if it is the header.
        optional: how many of the last of these columns a row may lack; they are then empty.
        on_broken: called for a TSV row with the wrong number of cells, which is then left out;
            without it such a row is an error.

    Raises:
        ConfigError: for Parquet on standard input.
        DataError: with path, line and column of the first thing that is wrong.
    """
    refuse_parquet_stdin(path, kind)
    check_file(path)
    if kind == "jsonl":
        yield from _jsonl(path)
    elif kind == "parquet":
        yield from _parquet(path)
    else:
        cells = _tsv_cells(path) if kind == "tsv" else _csv_cells(path)
        yield from _with_names(path, kind, cells, names, optional, on_broken)


def _with_names(
    path: Path,
    kind: Kind,
    table: Iterator[tuple[int, list[str]]],
    names: Callable[[list[str]], Sequence[str] | None],
    optional: int,
    on_broken: Callable[[DataError], None] | None,
) -> Iterator[Row]:
    line, first = next(table, (0, None))
    if first is None:
        raise DataError("the file is empty.", path=path, hint="A header and rows are expected.")
    header = names(first)
    if header is not None:
        table = _chain(line, first, table)
    else:
        header, optional = first, 0
        _check_header(path, line, header)
    for line, cells in table:
        lacking = len(header) - len(cells)
        if 0 <= lacking <= optional:
            yield Row(line, dict(zip(header, cells + [""] * lacking, strict=True)))
        else:
            error = _wrong_count(path, kind, line, cells, header)
            if on_broken is None:
                raise error
            on_broken(error)


def _chain(
    line: int, cells: list[str], rest: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    yield line, cells
    yield from rest


def _check_header(path: Path, line: int, header: list[str]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"the header names column {twice[0]!r} twice.", path=path, line=line)


def _wrong_count(
    path: Path, kind: Kind, line: int, cells: list[str], header: Sequence[str]
) -> DataError:
    few = len(cells) < len(header)
    cure = (
        "TSV has no quoting, so a text cannot hold a tab or a line break."
        if kind == "tsv"
        else "A cell that holds a comma or a line break must stand in double quotes."
    )
    return DataError(
        f"too {'few' if few else 'many'} fields: {len(cells)}, and there are {len(header)} "
        f"columns ({', '.join(header)}).",
        path=path,
        line=line,
        column=header[len(cells)] if few else None,
        hint=cure,
    )


def _tsv_cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    blank = 0
    for line, text in read_lines(path):
        if not text:
            blank = blank or line
            continue
        # Blank lines are harmless at the end only; elsewhere a row has been lost.
        if blank:
            raise DataError("an empty line between rows.", path=path, line=blank)
        yield line, text.split("\t")


def _csv_cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(max(MAX_CELL, csv.field_size_limit()))
    reader = csv.reader((text for _, text in read_lines(path, keep_ends=True)), strict=True)
    line, blank = 1, 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            is_long = "field limit" in str(error)
            reason = (
                f"a cell of over {MAX_CELL:,} characters" if is_long else f"broken CSV ({error})"
            )
            hint = 'Is a " never closed? ' if is_long else ""
            raise DataError(
                f"{reason}.",
                path=path,
                line=line,
                hint=f'{hint}A " inside a quoted cell is written twice.',
            ) from None
        if not cells:
            blank = blank or line
        elif blank:
            raise DataError("an empty line between rows.", path=path, line=blank)
        else:
            yield line, cells
        line = reader.line_num + 1


def _jsonl(path: Path) -> Iterator[Row]:
    found = False
    for line, text in read_lines(path):
        if not text.strip():
            continue
        found = True
        yield Row(line, _json_object(path, line, text))
    if not found:
        raise DataError("the file is empty.", path=path, hint="One JSON object a line is expected.")


def _json_object(path: Path, line: int, text: str) -> dict[str, Any]:
    try:
        value = parse_json(text)
    except ValueError as error:
        raise DataError(f"not valid JSON ({error}).", path=path, line=line) from None
    if not isinstance(value, dict):
        raise DataError(
            f"a JSON object is expected on each line, not {type(value).__name__}.",
            path=path,
            line=line,
        )
    return value


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            line = 0
            for batch in file.iter_batches(batch_size=4096):
                for values in batch.to_pylist():
                    line += 1
                    yield Row(line, values)
    # Python has no such text, date or duration: ValueError and OverflowError.
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"not a readable Parquet file ({reason}).", path=path) from error
    if line == 0:
        raise DataError("the file is empty.", path=path)
