"""The page of one training: its figures and its curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gloze.report.metrics import curves_from_metrics
from gloze.report.page import write_report
from gloze.report.sections import Section, Table, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gloze.report.sections import Cell

_CURVES = (
    "Solid lines are the training batches, with dropout if there is any; dashed lines are "
    "held-out text. Losses are in nats for each label. The exact settings are in recipe.toml, "
    "every figure in metrics.jsonl."
)


def write_run_report(
    folder: Path, title: str, figures: Mapping[str, Cell], notes: Sequence[str] = ()
) -> Path:
    """Write ``report.html`` into a run folder, with the curves of its ``metrics.jsonl``.

    Args:
        folder: of the run; an old report in it is replaced.
        title: of the page.
        figures: of the whole run, by name.
        notes: a paragraph each.

    Raises:
        DataError: if a line of ``metrics.jsonl`` is broken.
        WriteError: if the page cannot be written.
    """
    sections: list[Section] = [
        Text(text="\n\n".join([*notes, _CURVES])),
        Table(columns=("figure", "value"), rows=list(figures.items()), heading="Figures"),
        *curves_from_metrics(folder / "metrics.jsonl"),
    ]
    path = folder / "report.html"
    write_report(path, title, sections)
    return path
