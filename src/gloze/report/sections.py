"""What a report is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | int | float | None


@dataclass(frozen=True, kw_only=True)
class Text:
    """Plain text; a blank line begins a new paragraph."""

    text: str
    heading: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells below their column names; numbers stand to the right.

    Attributes:
        columns: the names.
        rows: a cell for each column; None stays empty.
        heading: above the table.
        caption: below it: definitions, units, number of seeds.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    heading: str = ""
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row) == len(self.columns), f"{len(row)} cells, {len(self.columns)} columns"


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        name: in the legend.
        points: (x, y) in ascending x; points that are not finite are left out.
        dashed: for values that belong to another line, such as held-out ones.
        color: number of its color; by default its place in the chart.
    """

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    color: int | None = None


@dataclass(frozen=True, kw_only=True)
class Curves:
    """A line chart."""

    series: Sequence[Series]
    heading: str = ""
    x_label: str = "step"
    y_label: str = ""
    log_x: bool = False
    caption: str = ""


@dataclass(frozen=True)
class Example:
    """A text the model was shown, and its answers with their probabilities, 0 to 1."""

    text: str
    answers: Sequence[tuple[str, float]] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """What the model said, case by case."""

    items: Sequence[Example]
    heading: str = ""
    caption: str = ""


Section = Text | Table | Curves | Examples
