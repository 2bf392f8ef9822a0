"""Figures as a table of plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gloze.metrics.statistics import spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under a header: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def seeds_table(figures: Mapping[str, Mapping[str, float]]) -> str:
    """Return one row for each seed, then mean and standard deviation if there are several.

    Args:
        figures: for each seed, by what it is called, each figure by its name.
    """
    names = list(next(iter(figures.values())))
    rows = [[seed, *(f"{row[name]:.4f}" for name in names)] for seed, row in figures.items()]
    if len(figures) > 1:
        spreads = [spread([row[name] for row in figures.values()]) for name in names]
        rows.append(["mean", *(f"{found.mean:.4f}" for found in spreads)])
        rows.append(["std", *(f"{found.deviation or 0.0:.4f}" for found in spreads)])
    return text_table(["seed", *names], rows)
