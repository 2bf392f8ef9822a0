"""The spread of a figure over seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Spread:
    """A figure over several seeds.

    Attributes:
        mean: the arithmetic mean.
        deviation: the sample standard deviation (n - 1 below); None for a single value, of
            which it says nothing.
        values: one for each seed.
    """

    mean: float
    deviation: float | None
    values: tuple[float, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the spread as JSON can hold it."""
        return {"mean": self.mean, "std": self.deviation, "values": list(self.values)}

    def __str__(self) -> str:
        if self.deviation is None:
            return f"{self.mean:.4f}"
        return f"{self.mean:.4f} ± {self.deviation:.4f}"


def spread(values: Sequence[float]) -> Spread:
    """Return mean and sample standard deviation of at least one value."""
    mean = math.fsum(values) / len(values)
    deviation = None
    if len(values) > 1:
        squares = math.fsum((value - mean) ** 2 for value in values)
        deviation = math.sqrt(squares / (len(values) - 1))
    return Spread(mean, deviation, tuple(values))
