"""Whether two systems differ by more than chance, told by the same examples or the same seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gloze.core.rng import generator
from gloze.metrics.statistics import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Bools = npt.NDArray[np.bool_]
# Up to 2 ** 16 ways to exchange pairs are all gone through.
_MOST_PAIRS = 16
# Sums in another order differ by rounding; what is as large as the difference found counts.
_ALIKE = 1e-12


@dataclass(frozen=True)
class PairedTest:
    """What the same seeds say of two systems.

    Attributes:
        mean: of the differences, the second system's figure less the first's.
        deviation: of the differences (n - 1 below); None for one pair.
        t_test: two-sided p of Student's t over the differences, which takes them for normally
            distributed; None for one pair, and where all differences are 0.
        permutation: two-sided p without that: the share of all ways to exchange the two systems
            in some pairs whose mean is as large. With n pairs never under 2 / 2 ** n. None over
            16 pairs.
    """

    mean: float
    deviation: float | None
    t_test: float | None
    permutation: float | None


def paired_test(first: Sequence[float], second: Sequence[float]) -> PairedTest:
    """Compare two systems by figures that belong together pair by pair, such as those of a seed."""
    differences = [b - a for a, b in zip(first, second, strict=True)]
    found = spread(differences)
    return PairedTest(
        found.mean, found.deviation, _t_test(differences), _permutation_test(differences)
    )


def _t_test(differences: Sequence[float]) -> float | None:
    found, count = spread(differences), len(differences)
    if found.deviation is None:
        return None
    if found.deviation == 0:
        return 0.0 if found.mean else None
    t = found.mean / (found.deviation / math.sqrt(count))
    return incomplete_beta((count - 1) / 2, 0.5, (count - 1) / (count - 1 + t * t))


def _permutation_test(differences: Sequence[float]) -> float | None:
    count = len(differences)
    if count > _MOST_PAIRS:
        return None
    signs = 1 - 2 * (np.arange(1 << count)[:, None] >> np.arange(count) & 1)
    sums = np.abs(signs @ np.asarray(differences))
    return float((sums >= sums[0] * (1 - _ALIKE)).mean())


def mcnemar(first: Bools, second: Bools) -> float:
    """Return the two-sided p that two systems are right equally often on the same examples.

    The exact test (McNemar 1947): of the examples that one alone has right, each is as likely to
    be the one's as the other's.

    Args:
        first: whether the first system is right, [examples].
        second: the same of the second.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    count, fewer = only_first + only_second, min(only_first, only_second)
    steps = np.arange(1, fewer + 1)
    chances = np.r_[0.0, np.cumsum(np.log((count - steps + 1) / steps))] - count * math.log(2)
    return min(1.0, 2 * float(np.exp(chances).sum()))


def randomization_test(
    difference: Callable[[Bools], float], examples: int, *, rounds: int = 1000, seed: int = 0
) -> float:
    """Return the two-sided p that two systems are alike by any figure (Noreen 1989; Yeh 2000).

    If they are, exchanging their answers on any of the examples changes nothing but by chance.

    Args:
        difference: of the two figures when the answers to the examples marked are exchanged.
        examples: how many there are.
        rounds: random exchanges; p is never under 1 / (rounds + 1).
        seed: of the exchanges.
    """
    draw = generator("randomization", seed)
    found = abs(difference(np.zeros(examples, dtype=bool))) * (1 - _ALIKE)
    as_large = sum(abs(difference(draw.random(examples) < 0.5)) >= found for _ in range(rounds))
    return (as_large + 1) / (rounds + 1)


def holm(p: Sequence[float]) -> list[float]:
    """Return p of several tests, raised for their being several (Holm 1979).

    The chance that any of them is under 0.05, where nothing differs, is 0.05 at most, however
    they hang together.
    """
    adjusted, least = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        least = max(least, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = least
    return adjusted


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularized incomplete beta function, by its continued fraction.

    Abramowitz and Stegun 1964, 26.5.8; evaluated by Lentz's method.
    """
    if x in (0.0, 1.0):
        return x
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    logs = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(logs + a * math.log(x) + b * math.log1p(-x)) / a
    # One more than the fraction: with the first numerator 1 every step is alike.
    above, below, fraction = 1.0, 0.0, 1.0
    for step in range(1000):
        numerator = _numerator(a, b, x, step)
        above, below = 1 + numerator / above, 1 / (1 + numerator * below)
        fraction *= above * below
        if abs(above * below - 1) < 1e-15:
            break
    return front * (fraction - 1)


def _numerator(a: float, b: float, x: float, step: int) -> float:
    m = step // 2
    if step == 0:
        return 1.0
    if step % 2:
        return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
