"""A line chart as SVG: axes, ticks and lines; its colors come from the page's style."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gloze.report.escape import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gloze.report.sections import Curves, Series

WIDTH, HEIGHT = 480, 280
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 46
NUM_COLORS = 6
# More points than a chart has pixels say nothing more.
MAX_POINTS = 240


@dataclass(frozen=True)
class Axis:
    """One axis: the range of its values and where they fall on the chart."""

    low: float
    high: float
    begin: float
    end: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """Return where ``value`` falls."""
        low, high, value = map(self._scaled, (self.low, self.high, value))
        return self.begin + (value - low) / (high - low) * (self.end - self.begin)

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.is_log else value

    def ticks(self) -> list[float]:
        """Return round values inside the range."""
        return list(_log_ticks(self.low, self.high) if self.is_log else _ticks(self.low, self.high))


def draw(curves: Curves) -> str:
    """Return the chart as an SVG element, or a sentence if there is nothing to draw."""
    log_x = curves.log_x
    lines = [(line, list(_finite(line.points, log_x=log_x))) for line in curves.series]
    points = [point for _, some in lines for point in some]
    if not points:
        return "<p>No points yet.</p>"
    x = _axis([x for x, _ in points], LEFT, WIDTH - RIGHT, is_log=log_x)
    y = _axis([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [*_grid(x, y), *_labels(curves)]
    for place, (line, some) in enumerate(lines):
        parts.append(_line(line, thin(some), x, y, color_of(line, place)))
    label = safe(f"{curves.heading}: {', '.join(line.name for line in curves.series)}")
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
    return f"{head}{''.join(parts)}</svg>"


def color_of(line: Series, place: int) -> int:
    """Return the number of the color of the line at this place of the chart."""
    return (place if line.color is None else line.color) % NUM_COLORS


def thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most MAX_POINTS points, each the mean of as many neighbors."""
    size = math.ceil(len(points) / MAX_POINTS) or 1
    groups = (points[i : i + size] for i in range(0, len(points), size))
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]


def _finite(points: Sequence[tuple[float, float]], *, log_x: bool) -> Iterator[tuple[float, float]]:
    for x, y in points:
        if math.isfinite(x) and math.isfinite(y) and (x > 0 or not log_x):
            yield x, y


def _axis(values: list[float], begin: float, end: float, *, is_log: bool = False) -> Axis:
    low, high = min(values), max(values)
    if low == high:
        spread = abs(low) * 0.1 or 1.0
        low, high = (low / 2, high * 2) if is_log else (low - spread, high + spread)
    return Axis(low, high, begin, end, is_log)


def _ticks(low: float, high: float) -> Iterator[float]:
    """Yield four to nine multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough * 0.7)
    first = math.ceil(low / step - 1e-9)
    for number in range(first, math.floor(high / step + 1e-9) + 1):
        yield number * step


def _log_ticks(low: float, high: float) -> Iterator[float]:
    decades = math.log10(high / low)
    steps = (1,) if decades > 3 else (1, 2, 5)
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for step in steps:
            value = step * 10.0**power
            if low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
                yield value


def tick_text(value: float) -> str:
    """Return a short text of a round value: 0.5, 20k, 3M, 1e-05."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    # A multiple of a step may miss zero by a rounding error.
    return f"{value:.4g}" if abs(value) > 1e-12 else "0"


def _grid(x: Axis, y: Axis) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value in y.ticks():
        at = y.place(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{tick_text(value)}</text>'
    for value in x.ticks():
        at = x.place(value)
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}"/>'
        yield (
            f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{tick_text(value)}</text>'
        )
    yield f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>'


def _labels(curves: Curves) -> Iterator[str]:
    middle, center = (TOP + HEIGHT - BOTTOM) / 2, (LEFT + WIDTH - RIGHT) / 2
    yield (
        f'<text x="{center}" y="{HEIGHT - 6}" text-anchor="middle">{safe(curves.x_label)}</text>'
    )
    yield (
        f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">'
        f"{safe(curves.y_label)}</text>"
    )


def _line(line: Series, points: list[tuple[float, float]], x: Axis, y: Axis, color: int) -> str:
    """Return a line, or a dot for each point where there are few."""
    places = [f"{x.place(a):.1f} {y.place(b):.1f}" for a, b in points]
    dashed = " dashed" if line.dashed else ""
    path = f'<path class="line c{color}{dashed}" d="M{"L".join(places)}"/>' if places else ""
    return path + "".join(_dots(places, color) if len(places) <= 20 else ())


def _dots(places: list[str], color: int) -> Iterator[str]:
    for place in places:
        across, down = place.split()
        yield f'<circle class="dot c{color}" cx="{across}" cy="{down}" r="3"/>'
