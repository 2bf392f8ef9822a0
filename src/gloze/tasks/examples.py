"""Labelled examples from files: texts, label, the row they are from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.core.errors import ConfigError, DataError, nearest
from gloze.core.progress import say
from gloze.tasks.formats import Format
from gloze.tasks.tables import kind_of, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gloze.tasks.tables import Row

MAX_BROKEN_RATE = 0.001


@dataclass(frozen=True)
class Example:
    """A text or a pair of texts, with its label if the file has one.

    Attributes:
        text_a: the text, or the first of a pair.
        text_b: the second of a pair.
        label: as written in the file.
        row: everything in the row, by column; empty if it was not asked for.
        line: of the file, from 1; of a Parquet file the row.
    """

    text_a: str
    text_b: str | None = None
    label: str | None = None
    row: dict[str, Any] | None = None
    line: int = 0


@dataclass(frozen=True)
class _Columns:
    text_a: str
    text_b: str | None
    label: str | None


def read_examples(
    path: Path,
    layout: Format | None = None,
    *,
    needs_labels: bool = True,
    keep_rows: bool = False,
) -> list[Example]:
    """Return all examples of a file in their order.

    Args:
        path: TSV, CSV, JSONL or Parquet, plain or compressed.
        layout: where texts and label are; by default columns ``text``, or ``text_a`` and
            ``text_b``, and ``label``.
        needs_labels: refuse rows without a label; otherwise their label is None.
        keep_rows: keep all columns of each row, for writing them out again.

    Raises:
        DataError: naming file, line and column of the first thing that is wrong.
    """
    return list(iterate_examples(path, layout, needs_labels=needs_labels, keep_rows=keep_rows))


def iterate_examples(
    path: Path,
    layout: Format | None = None,
    *,
    needs_labels: bool = True,
    keep_rows: bool = False,
) -> Iterator[Example]:
    """Yield the examples of :func:`read_examples` one by one, in memory bounded by a row."""
    layout = layout or Format()
    broken: list[DataError] = []
    rows = read_rows(
        path,
        layout.kind or kind_of(path),
        names=layout.names,
        on_broken=broken.append if layout.skips_broken else None,
    )
    columns: _Columns | None = None
    count = 0
    for row in rows:
        columns = columns or _find_columns(path, row.values, layout, needs_labels=needs_labels)
        count += 1
        yield _example(path, row, columns, needs_labels=needs_labels, keep_row=keep_rows)
    if count == 0:
        raise DataError("a header and no rows.", path=path)
    _report_broken(broken, count)


@dataclass(frozen=True)
class TableReader:
    """Reads texts and labels from tables of one layout.

    Attributes:
        layout: where they are.
    """

    layout: Format

    @property
    def metric(self) -> str | None:
        """What files of this layout are judged by; None if it does not say."""
        return self.layout.metric

    def read(
        self, path: Path, *, needs_labels: bool = True, keep_rows: bool = False
    ) -> Iterator[Example]:
        """Yield the examples of a file; see :func:`read_examples`."""
        yield from iterate_examples(
            path, self.layout, needs_labels=needs_labels, keep_rows=keep_rows
        )


def as_examples(inputs: Sequence[Any]) -> list[Example]:
    """Return examples of texts, or of pairs of texts.

    Raises:
        ConfigError: if they are something else.
    """
    if isinstance(inputs, str):
        raise ConfigError("predict takes a list of texts; put the text into a list.")
    examples = []
    for text in inputs:
        parts = [text] if isinstance(text, str) else text
        if (
            not isinstance(parts, list | tuple)
            or not 1 <= len(parts) <= 2
            or not all(isinstance(part, str) for part in parts)
        ):
            raise ConfigError(f"predict takes texts, or pairs of texts, not {text!r:.80}.")
        examples.append(Example(*parts))
    return examples


def check_pairs(examples: Iterable[Example], pairs: bool, who: str) -> None:
    """Check that all examples are pairs of texts, or that none is.

    Args:
        examples: to look at.
        pairs: what they should be.
        who: the message's beginning: whose kind that is, like ``The model was trained on``.

    Raises:
        ConfigError: at the first that is not.
    """
    kinds = {True: "pairs of texts", False: "single texts"}
    for example in examples:
        if (example.text_b is not None) != pairs:
            place = f"line {example.line} has" if example.line else "these are"
            raise ConfigError(
                f"{who} {kinds[pairs]}; {place} {kinds[not pairs]}. In a file, "
                "--columns says which columns are meant: text=NAME, or text_a=NAME,text_b=NAME."
            )


def _report_broken(broken: Sequence[DataError], count: int) -> None:
    if not broken:
        return
    if len(broken) > max(1.0, MAX_BROKEN_RATE * (count + len(broken))):
        raise broken[0]
    say(f"{len(broken)} broken rows left out of {count + len(broken)}; the first: {broken[0]}")


def _find_columns(
    path: Path, values: Iterable[str], layout: Format, *, needs_labels: bool
) -> _Columns:
    """Return which columns to read, looked for in the first row."""
    known = list(values)
    if layout.text_a is not None:
        text_a, text_b = layout.text_a, layout.text_b
    elif "text" in known and "text_a" not in known:
        text_a, text_b = "text", layout.text_b
    else:
        text_a = "text" if "text_a" not in known and "text_b" not in known else "text_a"
        text_b = layout.text_b or ("text_b" if "text_b" in known else None)
    label = layout.label or "label"
    wanted = [(text_a, "text_a" if text_b else "text")]
    if text_b is not None:
        wanted.append((text_b, "text_b"))
    if needs_labels or layout.is_label_named:
        wanted.append((label, "label"))
    for column, role in wanted:
        if column not in known:
            raise DataError(
                f"no such column. {nearest(column, known)}Columns found: {', '.join(known)}.",
                path=path,
                line=1,
                column=column,
                hint=f"Name yours with --columns {role}=NAME.",
            )
    return _Columns(text_a, text_b, label if label in known else None)


def _example(
    path: Path, row: Row, columns: _Columns, *, needs_labels: bool, keep_row: bool
) -> Example:
    text_b = None if columns.text_b is None else _text(path, row, columns.text_b)
    label = None if columns.label is None else _label(path, row, columns.label)
    if label is None and needs_labels:
        raise DataError("no label in this row.", path=path, line=row.line, column=columns.label)
    text_a = _text(path, row, columns.text_a)
    return Example(text_a, text_b, label, row.values if keep_row else None, row.line)


def _text(path: Path, row: Row, column: str) -> str:
    value = row.values.get(column)
    if not isinstance(value, str):
        found = "nothing" if value is None else f"{type(value).__name__} {value!r:.40}"
        raise DataError(
            f"a text is expected, found {found}.", path=path, line=row.line, column=column
        )
    if not value.strip():
        raise DataError("the text is empty.", path=path, line=row.line, column=column)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise DataError(
                "a lone surrogate, which is no character.",
                path=path,
                line=row.line,
                column=column,
            ) from None
    return value


def _label(path: Path, row: Row, column: str) -> str | None:
    value = row.values.get(column)
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | str):
        return str(value)
    raise DataError(
        f"a label is a text or a whole number, found {type(value).__name__} {value!r:.40}.",
        path=path,
        line=row.line,
        column=column,
    )
