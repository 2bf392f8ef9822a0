"""Texts with any number of labels: read from tables, numbered, named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gloze.core.errors import ConfigError, DataError
from gloze.core.progress import say
from gloze.tasks.examples import Example, iterate_texts
from gloze.tasks.formats import BETWEEN_COLUMNS, Format, are_numbers, columns_by_role, named_format
from gloze.tasks.labels import sorted_labels, unknown_label, whole_number
from gloze.tasks.lines import read_lines
from gloze.tasks.tables import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from gloze.tasks.tables import Row

ROLES = ("text", "text_a", "text_b", "labels")
# GoEmotions (Demszky et al. 2020) as it is distributed.
_GO_EMOTIONS = Format(
    kind="tsv", text_a="text", label="labels", headerless=("text", "labels", "comment_id")
)
FORMATS: dict[str, Format] = {
    **{kind: Format(kind=kind) for kind in KINDS},
    "goemotions": _GO_EMOTIONS,
}


@dataclass(frozen=True)
class LabelledText(Example):
    """A text or a pair of texts with its labels.

    Attributes:
        labels: as written in the file, maybe none; None if they are not known.
    """

    labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class LabelReader:
    """Reads texts and their labels from tables of one layout.

    Attributes:
        layout: where the texts are.
        columns: the one that holds all labels of a row, as a list or separated; or several, one
            a label, that hold 0 or 1.
        separator: between labels in one column.
        metric: what such files are judged by: they do not say.
    """

    layout: Format
    columns: tuple[str, ...]
    separator: str
    metric: str | None = None

    def read(
        self, path: Path, *, needs_labels: bool = True, keep_rows: bool = False
    ) -> Iterator[LabelledText]:
        """Yield the examples of a file in their order; see :meth:`Reader.read`."""
        wanted = dict.fromkeys(self.columns, "labels") if needs_labels else {}
        for row, text_a, text_b in iterate_texts(path, self.layout, wanted):
            labels = self._labels(path, row) if needs_labels else None
            kept = row.values if keep_rows else None
            yield LabelledText(text_a, text_b, None, kept, row.line, labels)

    def _labels(self, path: Path, row: Row) -> tuple[str, ...]:
        if len(self.columns) > 1:
            return tuple(column for column in self.columns if _flag(path, row, column))
        [column] = self.columns
        found = _names(row.values.get(column), self.separator)
        if isinstance(found, str):
            raise DataError(found, path=path, line=row.line, column=column)
        return found


def label_reader(
    format: str | None, columns: str | dict[str, str] | None, separator: str
) -> LabelReader:
    """Return the reader of a layout.

    Args:
        format: one of ``FORMATS``; None to go by the file's name.
        columns: like ``text=comment,labels=tags``, or ``labels=joy|anger|fear`` for a column of
            0 and 1 for each label. Roles are those of ``ROLES``.
        separator: between labels in one column.

    Raises:
        ConfigError: naming the nearest format or role if one is unknown.
    """
    layout = named_format(format, FORMATS) if format else Format()
    roles = columns_by_role(columns, ROLES)
    named = tuple(name.strip() for name in roles.get("labels", "").split(BETWEEN_COLUMNS))
    if len(set(named)) < len(named):
        raise ConfigError(f"--columns labels={roles['labels']}: a column is named twice.")
    return LabelReader(
        replace(
            layout,
            text_a=roles.get("text", roles.get("text_a", layout.text_a)),
            text_b=roles.get("text_b", layout.text_b),
            is_numbered=are_numbers(roles.values()),
        ),
        named if named != ("",) else ("labels",),
        separator,
    )


def _flag(path: Path, row: Row, column: str) -> bool:
    value = row.values.get(column)
    if value in (0, 1, "0", "1"):
        return value in (1, "1")
    raise DataError(
        f"0 or 1 is expected, found {value!r:.40}.", path=path, line=row.line, column=column
    )


def _names(value: Any, separator: str) -> tuple[str, ...] | str:
    """Return the labels that a cell holds, or what is wrong with it."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(separator)] if value.strip() else []
    elif isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list):
        return f"labels are a list or a text, found {value!r:.40}."
    for label in value:
        if isinstance(label, bool) or not isinstance(label, str | int):
            return f"a label is a text or a whole number, found {label!r:.40}."
        if label == "":
            return "a label is empty: two separators follow each other."
        if isinstance(label, str) and label != label.strip():
            return f"a label has spaces around it: {label!r:.40}."
    names = tuple(str(label) for label in value)
    twice = [name for name in names if names.count(name) > 1]
    return f"label {twice[0]!r} is given twice." if twice else names


def learn_label_sets(examples: Sequence[LabelledText], path: Path) -> list[str]:
    """Return the labels of the training data, in the order of their numbers.

    Raises:
        DataError: if there is nothing to tell apart.
    """
    sets = [example.labels or () for example in examples]
    labels = sorted_labels([label for each in sets for label in each])
    if len(labels) == 1:
        raise DataError(
            f"{labels[0]!r} is the only label.",
            path=path,
            hint="With or without it are two labels of a classification.",
        )
    if len({frozenset(each) for each in sets}) < 2:
        found = ", ".join(labels) if labels else "no label"
        raise DataError(f"every example has {found}: there is nothing to learn.", path=path)
    counts = {label: sum(label in each for each in sets) for label in labels}
    if rare := [label for label, count in counts.items() if count == 1]:
        say(f"{path}: {len(rare)} of {len(labels)} labels have one example: {', '.join(rare)}.")
    if bare := sum(not each for each in sets):
        say(f"{path}: {bare:,} of {len(sets):,} examples have no label.")
    return labels


def table_of_labels(
    examples: Sequence[LabelledText], labels: Sequence[str], path: Path
) -> npt.NDArray[np.bool_]:
    """Return which labels each example has, [examples, labels].

    Raises:
        DataError: at the first label that training did not have.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    table = np.zeros((len(examples), len(labels)), dtype=bool)
    for row, example in zip(table, examples, strict=True):
        for label in example.labels or ():
            if label not in numbers:
                raise unknown_label(label, labels, path, example.line, "labels")
            row[numbers[label]] = True
    return table


def read_names(file: Path, labels: Sequence[str]) -> list[str]:
    """Return the names of labels that are numbers: that of label 0 is on the first line.

    Raises:
        DataError: if the file has not one name for each.
    """
    lines = [text.strip() for _, text in read_lines(file)]
    while lines and not lines[-1]:
        lines.pop()
    for line, name in enumerate(lines, start=1):
        if not name or lines.index(name) + 1 < line:
            raise DataError(f"{'no name' if not name else 'a name again'}.", path=file, line=line)
    for label in labels:
        number = whole_number(label)
        if number is None or not 0 <= number < len(lines):
            raise DataError(
                f"there is no name of label {label!r}: the file has {len(lines)} lines, for "
                f"labels 0 to {len(lines) - 1}.",
                path=file,
            )
    return [lines[int(label)] for label in labels]
