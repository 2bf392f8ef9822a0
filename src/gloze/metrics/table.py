"""Figures as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def seeds_rows(
    figures: Mapping[str, Mapping[str, float]], over: str = "seed"
) -> tuple[list[str], list[list[str]]]:
    """Return header and rows: one for each seed, mean and standard deviation if there are several.

    Args:
        figures: for each seed, by what it is called, each figure by its name.
        over: what the first column is called.
    """
    names = list(next(iter(figures.values())))
    rows = [[seed, *(f"{row[name]:.4f}" for name in names)] for seed, row in figures.items()]
    if len(figures) > 1:
        spreads = [spread([row[name] for row in figures.values()]) for name in names]
        rows.append(["mean", *(f"{found.mean:.4f}" for found in spreads)])
        rows.append(["std", *(f"{found.deviation or 0.0:.4f}" for found in spreads)])
    return [over, *names], rows


def seeds_table(figures: Mapping[str, Mapping[str, float]], over: str = "seed") -> str:
    """Return these rows as plain text."""
    return text_table(*seeds_rows(figures, over))


def types_tables(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a table of the types of each seed whose figures have some: a row for each type."""
    return [
        text_table(
            [seed if len(figures) > 1 else "type", *next(iter(values["types"].values()))],
            [
                [
                    kind or "-",
                    *(f"{x:.4f}" if isinstance(x, float) else f"{x:,}" for x in row.values()),
                ]
                for kind, row in values["types"].items()
            ],
        )
        for seed, values in figures.items()
        if values.get("types")
    ]
