"""Labels of a file, numbered, and the numbers in its cells."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gloze.core.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gloze.core.batch import Ints
    from gloze.tasks.examples import Example
    from gloze.tasks.tables import Row

_LARGEST = 3.4e38


def whole_number(text: str) -> int | None:
    """Return the number that a text is, if it is ASCII digits, a minus before them at most.

    More than 18 digits count nothing that is counted here, and are none.
    """
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None


def number_of(path: Path, row: Row, column: str) -> float:
    """Return the number in a column.

    Raises:
        DataError: if there is none, or it is no number, or infinite in 32 bits.
    """
    value = row.values.get(column)
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    # Python takes 1_000 for a number; nobody who writes a table does.
    if not abs(number) <= _LARGEST or (isinstance(value, str) and "_" in value):
        raise DataError(
            f"a finite number is expected, found {value!r:.40}.",
            path=path,
            line=row.line,
            column=column,
            hint=f"Numbers are of 32 bits, up to {_LARGEST:.1e}." if math.isfinite(number) else "",
        )
    return number


def sorted_labels(labels: Sequence[str | None]) -> list[str]:
    """Return the distinct labels in the order of their numbers: by value if all are numbers."""
    distinct = {label for label in labels if label is not None}
    values = {label: whole_number(label) for label in distinct}
    if None not in values.values():
        return sorted(distinct, key=lambda label: (values[label], label))
    return sorted(distinct)


def learn_labels(examples: Sequence[Example], path: Path) -> list[str]:
    """Return the labels of the training data, in the order of their numbers.

    Raises:
        DataError: if there is nothing to tell apart, or the labels look like measurements.
    """
    labels = sorted_labels([example.label for example in examples])
    if len(labels) < 2:
        raise DataError(
            f"every example has the label {labels[0]!r}, so there is nothing to learn.", path=path
        )
    if len(labels) > 1000 and len(labels) > len(examples) / 2:
        raise DataError(
            f"{len(labels)} different labels in {len(examples)} examples: that is no "
            "classification.",
            path=path,
            hint="Name the right column with --columns label=NAME.",
        )
    return labels


def number_labels(examples: Sequence[Example], labels: Sequence[str], path: Path) -> Ints:
    """Return the number of each example's label.

    Raises:
        DataError: at the first label that training did not have.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    for example in examples:
        if example.label not in numbers:
            raise unknown_label(example.label, labels, path, example.line, "label")
    return np.array([numbers[e.label] for e in examples if e.label is not None], dtype=np.int64)


def unknown_label(
    label: str | None, labels: Sequence[str], path: Path, line: int, column: str
) -> DataError:
    """Return the error of a label that training did not have."""
    known = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
    return DataError(
        f"unknown label {label!r}. {nearest(label or '', labels)}Known from training: {known}.",
        path=path,
        line=line,
        column=column,
    )
