"""Texts without labels: the lines of a file, or a column of a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gloze.core.errors import ConfigError, DataError, nearest
from gloze.tasks.formats import parse_columns
from gloze.tasks.lines import read_lines
from gloze.tasks.tables import KINDS, Kind, kind_of, read_rows, refuse_parquet_stdin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gloze.tasks.tables import Row

TextKind = Kind | Literal["lines"]
ROLES = ("text", "words")


@dataclass(frozen=True)
class GivenText:
    """A text, or one that is cut into words already.

    Attributes:
        text: or its words.
        line: of the file; of a Parquet file the row.
        row: everything in the row by column; of plain lines ``text``.
    """

    text: str | list[str]
    line: int
    row: dict[str, Any]


def find_kind(path: Path, name: str | None) -> TextKind:
    """Return how a file of texts is laid out: as ``name`` says, else by its suffix, else lines.

    Raises:
        ConfigError: for a name there is not, or standard input that is to be Parquet.
    """
    known = ("lines", *KINDS)
    if name is not None and name not in known:
        raise ConfigError(
            f"Unknown format {name!r}. {nearest(name, known)}Known: {', '.join(known)}."
        )
    refuse_parquet_stdin(path, name)
    if name is not None:
        return name  # type: ignore[return-value]
    try:
        return kind_of(path)
    except DataError:
        return "lines"


def find_column(columns: str | dict[str, str] | None) -> tuple[str, str] | None:
    """Return the role a person has named a column for, ``text`` or ``words``, and the column.

    Raises:
        ConfigError: if it is another role, or there are two.
    """
    pairs = parse_columns(columns) if isinstance(columns, str) else dict(columns or {})
    for role in pairs:
        if role not in ROLES:
            raise ConfigError(f"--columns: unknown role {role!r}. Known: {', '.join(ROLES)}.")
    if len(pairs) > 1:
        raise ConfigError("--columns: name a column of texts or one of words, not both.")
    return next(iter(pairs.items()), None)


def iterate_texts(
    path: Path, kind: TextKind, column: tuple[str, str] | None = None, *, words: bool = False
) -> Iterator[GivenText]:
    """Yield the texts of a file in order, one by one; empty ones too.

    Args:
        path: the file, plain or compressed, or ``-`` for standard input.
        kind: of the file; ``lines`` is a text a line.
        column: role and name of the column, which holds texts or lists of words; by default
            ``text``.
        words: by default the column ``words``, if there is one.

    Raises:
        DataError: naming file, line and column of the first thing that is wrong.
    """
    if kind == "lines":
        if column is not None:
            raise ConfigError("--columns is for tables; this input is a text a line (--format).")
        yield from _lines(path)
        return
    row = None
    for row in read_rows(path, kind):
        column = column or _usual_column(path, row, words=words)
        yield GivenText(_value(path, row, *column), row.line, row.values)
    if row is None:
        raise DataError("the table has no row.", path=path, hint="A text a row is expected.")


def _lines(path: Path) -> Iterator[GivenText]:
    line = 0
    for line, text in read_lines(path):
        yield GivenText(text, line, {"text": text})
    if not line:
        raise DataError("the file is empty.", path=path, hint="A text a line is expected.")


def _usual_column(path: Path, row: Row, *, words: bool) -> tuple[str, str]:
    for role in ("words", "text") if words else ("text",):
        if role in row.values:
            return role, role
    raise DataError(
        f"no column of texts. Columns found: {', '.join(row.values)}.",
        path=path,
        line=row.line,
        hint="Name yours with --columns text=NAME, or words=NAME if it holds lists of words.",
    )


def _value(path: Path, row: Row, role: str, column: str) -> str | list[str]:
    value = row.values.get(column)
    if role == "words" and isinstance(value, list) and all(isinstance(x, str) for x in value):
        return value
    if role == "text" and isinstance(value, str):
        return value
    if column in row.values:
        wanted = "a text" if role == "text" else "a list of words"
        found = "nothing" if value is None else f"{type(value).__name__} {value!r:.40}"
        reason = f"{wanted} is expected, found {found}."
    else:
        known = list(row.values)
        reason = f"no such column. {nearest(column, known)}Columns found: {', '.join(known)}."
    raise DataError(reason, path=path, line=row.line, column=column)
