"""Labelled examples from files: texts, label, the row they are from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.core.errors import ConfigError, DataError, nearest
from gloze.core.progress import say
from gloze.tasks.formats import Format
from gloze.tasks.labels import number_of
from gloze.tasks.tables import kind_of, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    if not needs_labels:  # who asks for answers wants one for every row, in its place
        layout = replace(layout, skips_broken=False)
    column = layout.label or "label"
    wanted = {column: "label"} if needs_labels or layout.is_label_named else {}
    for row, text_a, text_b in iterate_texts(path, layout, wanted):
        label = _label(path, row, column, has_scores=layout.has_scores)
        if label is None and needs_labels:
            raise DataError("no label in this row.", path=path, line=row.line, column=column)
        yield Example(text_a, text_b, label, row.values if keep_rows else None, row.line)


def iterate_texts(
    path: Path, layout: Format, wanted: Mapping[str, str]
) -> Iterator[tuple[Row, str, str | None]]:
    """Yield the rows of a file, each with its text, or with its pair of texts.

    Args:
        path: TSV, CSV, JSONL or Parquet, plain or compressed.
        layout: where the texts are.
        wanted: further columns that must be there, with the role of each.

    Raises:
        DataError: naming file, line and column of the first thing that is wrong.
    """
    broken: list[DataError] = []
    rows = read_rows(
        path,
        layout.kind or kind_of(path),
        names=layout.names,
        optional=layout.optional,
        on_broken=broken.append if layout.skips_broken else None,
    )
    columns: tuple[str, str | None] | None = None
    count = 0
    for row in rows:
        columns = columns or _find_columns(path, list(row.values), layout, wanted)
        count += 1
        text_b = None if columns[1] is None else text_of(path, row, columns[1])
        yield row, text_of(path, row, columns[0]), text_b
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

    def with_scores(self) -> TableReader:
        """Return the reader of the same layout whose labels are numbers on a scale."""
        return TableReader(replace(self.layout, has_scores=True))

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
    path: Path, known: Sequence[str], layout: Format, wanted: Mapping[str, str]
) -> tuple[str, str | None]:
    """Return the columns of the texts, looked for among those of the first row."""
    if layout.text_a is not None:
        text_a, text_b = layout.text_a, layout.text_b
    elif "text" in known and "text_a" not in known:
        text_a, text_b = "text", layout.text_b
    else:
        text_a = "text" if "text_a" not in known and "text_b" not in known else "text_a"
        text_b = layout.text_b or ("text_b" if "text_b" in known else None)
    texts = {text_a: "text_a" if text_b else "text"} | ({text_b: "text_b"} if text_b else {})
    check_columns(path, known, texts | dict(wanted))
    return text_a, text_b


def check_columns(path: Path, known: Sequence[str], wanted: Mapping[str, str]) -> None:
    """Check that a file has the columns that are wanted.

    Args:
        path: of the file.
        known: its columns.
        wanted: the columns it needs, with the role of each for ``--columns``.

    Raises:
        DataError: naming the first that is missing and the nearest there is.
    """
    for column, role in wanted.items():
        if column not in known:
            raise DataError(
                f"no such column. {nearest(column, known)}Columns found: {', '.join(known)}.",
                path=path,
                line=1,
                column=column,
                hint=f"Name yours with --columns {role}=NAME.",
            )


def text_of(path: Path, row: Row, column: str) -> str:
    """Return the text in a column.

    Raises:
        DataError: if there is none, or none that can be read.
    """
    return check_text(row.values.get(column), path, row.line, column)


def check_text(value: Any, path: Path, line: int, column: str) -> str:
    """Return a value that is a text, and not empty.

    Raises:
        DataError: if it is not.
    """
    if not isinstance(value, str):
        found = "nothing" if value is None else f"{type(value).__name__} {value!r:.40}"
        raise DataError(f"a text is expected, found {found}.", path=path, line=line, column=column)
    if not value.strip():
        raise DataError("the text is empty.", path=path, line=line, column=column)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise DataError(
                "a lone surrogate, which is no character.", path=path, line=line, column=column
            ) from None
    return value


def _label(path: Path, row: Row, column: str, *, has_scores: bool) -> str | None:
    value = row.values.get(column)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if has_scores:
        return repr(number_of(path, row, column))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value != value.strip():
        raise DataError(
            f"a label has spaces around it: {value!r:.40}.", path=path, line=row.line, column=column
        )
    if isinstance(value, int | str):
        return str(value)
    raise DataError(
        f"a label is a text or a whole number, found {type(value).__name__} {value!r:.40}.",
        path=path,
        line=row.line,
        column=column,
    )
