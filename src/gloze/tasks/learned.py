"""What a task knows besides its settings: labels and thresholds, and scores that were given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from gloze.tasks.encoded import EncodedExamples

Rows = npt.NDArray[np.float32]


class AnyExample(Protocol):
    """What every kind of example has.

    Attributes:
        row: everything in the row of its file, by column; None if it was not asked for.
        line: of its file, from 1; 0 if it is from none.
    """

    @property
    def row(self) -> dict[str, Any] | None: ...

    @property
    def line(self) -> int: ...


E = TypeVar("E", bound=AnyExample)


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What labelled data taught besides weights; kept in ``config.json``.

    Attributes:
        labels: in the order of their numbers.
        pairs: whether examples are of two texts; None if it is not known or makes no difference.
        values: what else a kind of task needs, such as thresholds, as JSON can hold it.
    """

    labels: tuple[str, ...] = ()
    pairs: bool | None = None
    values: dict[str, Any] = field(default_factory=dict)

    def with_values(self, **values: Any) -> Learned:
        """Return a copy that knows these values too."""
        return replace(self, values={**self.values, **values})


@dataclass(frozen=True)
class Counted:
    """What a figure is made of, example by example.

    Attributes:
        each: counts of each example, [examples, counts].
        figure: the figure of their sums, [counts].
    """

    each: npt.NDArray[np.int64]
    figure: Callable[[npt.NDArray[np.int64]], float]


@dataclass(frozen=True, kw_only=True)
class Judged(Generic[E]):
    """Examples with the scores a head gave them.

    Attributes:
        examples: in their order.
        encoded: the same as ids.
        learned: by the task.
        head: that judged.
        rows: its scores in the order of the source, a row for each sample, sequence, token or
            position asked about, as ``head.rows_per`` says, [rows, width].
    """

    examples: Sequence[E]
    encoded: EncodedExamples
    learned: Learned
    head: nn.Module
    rows: Rows


def their_labels(values: dict[str, Any]) -> tuple[str, ...]:
    """Return the labels that ``id2label`` of a ``config.json`` names.

    Raises:
        ValueError: if it does not name two or more different ones, numbered from 0.
    """
    found = values.get("id2label")
    if not isinstance(found, dict):
        raise ValueError("id2label does not name its labels")
    count = len(found)
    if count < 2 or set(found) != {str(number) for number in range(count)}:
        raise ValueError("id2label does not name its labels")
    labels = tuple(str(found[str(number)]) for number in range(count))
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise ValueError(f"id2label names the label {twice[0]!r} twice")
    return labels


def id2label(labels: Sequence[str]) -> dict[str, Any]:
    """Return labels as ``config.json`` numbers them, both ways."""
    return {
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "label2id": {label: number for number, label in enumerate(labels)},
    }
