"""Labelled points as an SVG file that stands alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gloze.report.escape import safe

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIDE, _MARGIN, _LABEL = 900, 30, 110
_COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f")


@dataclass(frozen=True)
class Point:
    """A point with its name.

    Attributes:
        label: drawn beside it.
        x: to the right.
        y: upwards.
        group: decides the color.
        is_strong: drawn larger.
    """

    label: str
    x: float
    y: float
    group: int = 0
    is_strong: bool = False


def scatter(points: Sequence[Point], title: str) -> str:
    """Return a picture of the points, as large as fits, with one scale for both axes."""
    low_x, low_y = min(p.x for p in points), min(p.y for p in points)
    high_x, high_y = max(p.x for p in points), max(p.y for p in points)
    extent = max(high_x - low_x, high_y - low_y) or 1.0
    scale = (_SIDE - 2 * _MARGIN) / extent
    parts = []
    for point in points:
        x = _MARGIN + (point.x - low_x) * scale
        y = _MARGIN + (high_y - point.y) * scale
        color = _COLORS[point.group % len(_COLORS)]
        size = 5 if point.is_strong else 3
        weight = ' font-weight="bold"' if point.is_strong else ""
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" fill="{color}"/>'
            f'<text x="{x + 7:.1f}" y="{y + 4:.1f}" fill="{color}"{weight}>{safe(point.label)}'
            "</text>"
        )
    height = round(2 * _MARGIN + (high_y - low_y) * scale)
    width = round(2 * _MARGIN + _LABEL + (high_x - low_x) * scale)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12">\n<title>{safe(title)}</title>'
        f'\n<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )
