"""Figures of regression: how predicted numbers go with the true ones, and how far they are off."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError

Numbers = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class RegressionFigures:
    """Figures of one set of predicted numbers.

    Attributes:
        examples: how many were judged.
        pearson: linear correlation, -1 to 1; 0 if either side is constant.
        spearman: the same of the ranks, equal numbers sharing their mean rank.
        pearson_spearman: the mean of both, GLUE's figure of STS-B.
        r2: share of the variance explained, 1 - squared error / variance; 0 for the mean itself,
            negative for worse, 0 if the true numbers are constant.
        mean_squared_error: in squared units of the numbers.
        mean_absolute_error: in their units.
        is_constant: whether all predictions, or all true numbers, are the same: a correlation
            then says nothing.
    """

    examples: int
    pearson: float
    spearman: float
    pearson_spearman: float
    r2: float
    mean_squared_error: float
    mean_absolute_error: float
    is_constant: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON can hold them."""
        return asdict(self)


def regression_figures(targets: Numbers, predicted: Numbers) -> RegressionFigures:
    """Return all figures of ``predicted`` against ``targets``, both [examples].

    Raises:
        ConfigError: if there is nothing to judge.
    """
    if len(targets) == 0 or len(targets) != len(predicted):
        raise ConfigError(
            f"{len(targets)} numbers and {len(predicted)} predictions cannot be judged."
        )
    x, y = targets.astype(np.float64), predicted.astype(np.float64)
    error = y - x
    linear, ranked = pearson(x, y), spearman(x, y)
    squared = float(np.mean(error**2))
    return RegressionFigures(
        examples=len(x),
        pearson=linear,
        spearman=ranked,
        pearson_spearman=(linear + ranked) / 2,
        r2=_explained(x - x.mean(), error) if np.ptp(x) else 0.0,
        mean_squared_error=squared,
        mean_absolute_error=float(np.mean(np.abs(error))),
        is_constant=not (np.ptp(x) and np.ptp(y)),
    )


def _explained(deviations: Numbers, error: Numbers) -> float:
    """Return 1 less the squared error in units of the variance, or the least number there is."""
    off = _length(error) / _length(deviations)
    return max(1 - off * off, -sys.float_info.max)


def _length(x: Numbers) -> float:
    """Return the length of a vector; the squares of its own numbers may leave those of floats."""
    peak = float(np.abs(x).max())
    return peak * float(np.linalg.norm(x / peak)) if peak else 0.0


def pearson(x: Numbers, y: Numbers) -> float:
    """Return the linear correlation of two series; 0 if either is constant."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    a, b = _unit(x), _unit(y)
    return float(np.clip(a @ b, -1.0, 1.0))


def spearman(x: Numbers, y: Numbers) -> float:
    """Return the correlation of the ranks of two series; 0 if either is constant."""
    return pearson(mean_ranks(x), mean_ranks(y))


def mean_ranks(x: Numbers) -> npt.NDArray[np.float64]:
    """Return the rank of each number, from 1; equal numbers share the mean of theirs."""
    _, which, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[which.reshape(-1)]


def _unit(x: Numbers) -> npt.NDArray[np.float64]:
    """Return the deviations from the mean, as a vector of length 1."""
    deviations = x.astype(np.float64) - x.astype(np.float64).mean()
    # Twice: the squares of very large or small numbers leave the range of floats.
    deviations = deviations / np.abs(deviations).max()
    return np.asarray(deviations / np.linalg.norm(deviations))
