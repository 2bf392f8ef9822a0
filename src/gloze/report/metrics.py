"""The curves of a run, from its ``metrics.jsonl``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gloze.report.sections import Curves, Series
from gloze.training.log import read_metrics

if TYPE_CHECKING:
    from pathlib import Path

# What a chart shows: the endings of the columns, its heading, and the label of its axis.
_CHARTS = (
    ("loss", "Loss", "nats for each label"),
    ("accuracy", "Accuracy", "share of labels"),
    ("perplexity", "Perplexity", "exp(loss)"),
    ("lr", "Learning rate", ""),
    ("grad_norm", "Gradient norm, before clipping", ""),
    ("tokens_per_second", "Speed", "tokens a second"),
)
# What says where a row belongs.
_PLACES = ("step", "tokens", "seconds", "split")


def curves_from_metrics(path: Path, *, x: str = "step", log_x: bool = False) -> list[Curves]:
    """Return a chart for each kind of figure that a run logged.

    Figures of the training itself are solid lines, those of other splits are dashed.

    Args:
        path: of the ``metrics.jsonl``; an absent one gives no charts.
        x: the column of the horizontal axis: ``step``, ``tokens`` or ``seconds``.
        log_x: make the horizontal axis logarithmic.

    Raises:
        DataError: if a line of the file is broken.
    """
    rows = [row for row in read_metrics(path) if isinstance(row.get(x), int | float)]
    charts = []
    for ending, heading, y_label in _CHARTS:
        series = _series(rows, x, ending)
        if series:
            charts.append(
                Curves(series=series, heading=heading, x_label=x, y_label=y_label, log_x=log_x)
            )
    known = (*_PLACES, *(ending for ending, *_ in _CHARTS))
    others = dict.fromkeys(name for row in rows for name in row if not name.endswith(known))
    for name in others:
        series = _series(rows, x, name)
        if series:
            charts.append(Curves(series=series, heading=name, x_label=x, y_label="", log_x=log_x))
    return charts


def _series(rows: list[dict[str, Any]], x: str, ending: str) -> list[Series]:
    """Return a line for each split and each column with this ending."""
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in rows:
        for column, value in row.items():
            if _is_kind(column, ending) and isinstance(value, int | float):
                points.setdefault((row.get("split", "train"), column), []).append((row[x], value))
    columns = list(dict.fromkeys(column for _, column in points))
    return [
        Series(f"{column}, {split}", some, dashed=split != "train", color=columns.index(column))
        for (split, column), some in points.items()
    ]


def _is_kind(column: str, ending: str) -> bool:
    return column == ending or column.endswith(f"_{ending}")
