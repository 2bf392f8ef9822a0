"""Figures of classification: how often and in which way the predicted class is the right one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError

Classes = npt.NDArray[np.integer[Any]]
METRICS = ("accuracy", "f1", "macro_f1", "matthews")


@dataclass(frozen=True)
class ClassificationFigures:
    """Figures of one set of predictions; all but ``confusion`` lie from 0 to 1, Matthews from -1.

    Attributes:
        examples: how many were judged.
        loss: mean of -log(probability of the right class), natural logarithm.
        accuracy: share of right predictions.
        f1: harmonic mean of precision and recall of the positive class; with more than two
            classes the mean over all of them, the same as ``macro_f1``.
        macro_f1: the mean of every class's F1, each class counting alike.
        matthews: Matthews correlation coefficient (Gorodkin 2004 for several classes), 0 for
            guessing.
        confusion: how many examples of each class (row) were taken for each class (column).
    """

    examples: int
    loss: float
    accuracy: float
    f1: float
    macro_f1: float
    matthews: float
    confusion: tuple[tuple[int, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON can hold them."""
        return {
            "examples": self.examples,
            "loss": self.loss,
            **{name: getattr(self, name) for name in METRICS},
            "confusion": [list(row) for row in self.confusion],
        }


def classification_figures(
    labels: Classes, predicted: Classes, *, num_labels: int, positive: int = 1, loss: float = 0.0
) -> ClassificationFigures:
    """Return all figures of ``predicted`` against ``labels``, both [examples].

    Args:
        labels: number of the right class of each example.
        predicted: number of the class said.
        num_labels: how many classes there are.
        positive: with two classes, the one whose F1 is meant.
        loss: the mean loss, passed through.

    Raises:
        ConfigError: if there is nothing to judge.
    """
    if len(labels) == 0 or len(labels) != len(predicted):
        raise ConfigError(
            f"{len(labels)} labels and {len(predicted)} predictions cannot be judged."
        )
    counts = confusion(labels, predicted, num_labels)
    by_class = f1_by_class(counts)
    macro = float(by_class.mean())
    return ClassificationFigures(
        examples=len(labels),
        loss=loss,
        accuracy=float(np.trace(counts) / counts.sum()),
        f1=float(by_class[positive]) if num_labels == 2 else macro,
        macro_f1=macro,
        matthews=matthews(counts),
        confusion=tuple(tuple(int(n) for n in row) for row in counts),
    )


def confusion(labels: Classes, predicted: Classes, num_labels: int) -> npt.NDArray[np.int64]:
    """Return how many of each class (row) were taken for each class (column)."""
    flat = np.bincount(
        np.asarray(labels, dtype=np.int64) * num_labels + predicted, minlength=num_labels**2
    )
    return flat.reshape(num_labels, num_labels).astype(np.int64)


def f1_by_class(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return 2 TP / (2 TP + FP + FN) of each class; 0 for a class that nobody named or said."""
    right = np.diag(counts).astype(np.float64)
    named_or_said = counts.sum(axis=0) + counts.sum(axis=1)
    return np.divide(2 * right, named_or_said, out=np.zeros_like(right), where=named_or_said > 0)


def matthews(counts: npt.NDArray[np.int64]) -> float:
    """Return the Matthews correlation of a confusion table; 0 if either side is constant.

    Matthews 1975 for two classes, Gorodkin 2004 for several.
    """
    total, right = int(counts.sum()), int(np.trace(counts))
    named = [int(n) for n in counts.sum(axis=1)]
    said = [int(n) for n in counts.sum(axis=0)]
    # Whole numbers throughout: products of large counts would lose digits as floats.
    above = right * total - sum(n * s for n, s in zip(named, said, strict=True))
    below = (total**2 - sum(s * s for s in said)) * (total**2 - sum(n * n for n in named))
    return above / math.sqrt(below) if below else 0.0


def shown_metrics(metric: str, num_labels: int) -> list[str]:
    """Return the names of the figures worth a column: the task's own first."""
    return list(dict.fromkeys([metric, "accuracy", "f1" if num_labels == 2 else "macro_f1"]))
