"""The page of a fine-tuning: every seed's figures, what was taken for what, the curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gloze.metrics.table import seeds_rows
from gloze.report.metrics import curves_from_metrics
from gloze.report.page import write_report
from gloze.report.sections import Section, Table, Text
from gloze.tasks.trials import trials_table

if TYPE_CHECKING:
    from gloze.tasks.results import FinetuneResult

_MOST_LABELS = 30
_PARTED = "by_"


def write_finetune_report(result: FinetuneResult) -> None:
    """Write ``report.html`` into the run folder; an old one is replaced.

    Raises:
        DataError: if a line of ``metrics.jsonl`` is broken.
        WriteError: if the page cannot be written.
    """
    best = f"Curves and confusions are of {result.over} {result.best_seed}"
    if len(result.seeds) > 1 and "dev" in result.best.figures:
        best += f", the best on dev by {result.metric}: its dev figures are flattered by the choice"
    sections: list[Section] = [Text(text="\n\n".join([*result.notes(), best + "."]))]
    if result.trials:
        header, rows = trials_table(result.trials)
        sections.append(Table(columns=header, rows=rows, heading="Trials of the search"))
    for split in result.best.figures:
        sections.append(_figures(result, split))
        if "confusion" in result.best.figures[split] and len(result.labels) <= _MOST_LABELS:
            sections.append(_confusion(result, split))
        figures = result.best.figures[split]
        sections += [
            _parts(split, name, own)
            for name, own in figures.items()
            if name.startswith(_PARTED) and own
        ]
    sections += curves_from_metrics(result.best.path / "metrics.jsonl")
    write_report(result.report, f"gloze finetune {result.task}", sections)


def _figures(result: FinetuneResult, split: str) -> Table:
    own = result.best.figures[split]
    header, rows = seeds_rows(result.shown(split), result.over)
    return Table(
        columns=header,
        rows=rows,
        heading=f"Figures on {split}",
        caption=f"{own['examples']:,} examples; the deviation is that of a sample (n - 1). All "
        f"figures are in results.json. {own.get('note', '')}".rstrip(),
    )


def _parts(split: str, name: str, parts: dict[str, dict[str, float]]) -> Table:
    """Return figures of parts, such as each label's own."""
    by = name.removeprefix(_PARTED)
    columns = list(next(iter(parts.values())))
    return Table(
        columns=(by, *columns),
        rows=[(part, *(own[column] for column in columns)) for part, own in parts.items()],
        heading=f"By {by} on {split}",
        caption="Of the best seed.",
    )


def _confusion(result: FinetuneResult, split: str) -> Table:
    counts = result.best.figures[split]["confusion"]
    return Table(
        columns=("label", *result.labels),
        rows=[(label, *row) for label, row in zip(result.labels, counts, strict=True)],
        heading=f"What was taken for what on {split}",
        caption="A row for each true label, a column for each answer.",
    )
