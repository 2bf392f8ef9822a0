"""Figures of several labels an example, and the thresholds above which a label is said."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError

Table = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Average = Literal["micro_f1", "macro_f1"]


@dataclass(frozen=True)
class LabelFigures:
    """Figures of one label: ``precision``, ``recall`` and ``f1``, 0 to 1, of ``support`` cases."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class MultilabelFigures:
    """Figures of one set of predictions, all 0 to 1; what has nothing to be divided by is 0.

    Attributes:
        examples: how many were judged.
        micro_f1, micro_precision, micro_recall: over all decisions on all labels together.
        macro_f1, macro_precision, macro_recall: means of each label's own, each label counting
            alike, also one that no example has.
        subset_accuracy: share of examples whose labels are all right.
        hamming_loss: share of wrong decisions, an example and a label each.
        by_label: of each label, in the order of their numbers.
    """

    examples: int
    micro_f1: float
    micro_precision: float
    micro_recall: float
    macro_f1: float
    macro_precision: float
    macro_recall: float
    subset_accuracy: float
    hamming_loss: float
    by_label: tuple[LabelFigures, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON can hold them."""
        return asdict(self)


def multilabel_figures(named: Table, said: Table) -> MultilabelFigures:
    """Return all figures of the labels ``said`` against those ``named``, both [examples, labels].

    Raises:
        ConfigError: if there is nothing to judge.
    """
    if named.shape != said.shape or named.size == 0:
        raise ConfigError(f"Labels {named.shape} and predictions {said.shape} cannot be judged.")
    right, support, guesses = (x.sum(axis=0) for x in (named & said, named, said))
    precision, recall = _share(right, guesses), _share(right, support)
    f1 = _share(2 * right, guesses + support)
    rows = zip(precision, recall, f1, support, strict=True)
    return MultilabelFigures(
        examples=len(named),
        micro_f1=float(_share(2 * right.sum(), guesses.sum() + support.sum())),
        micro_precision=float(_share(right.sum(), guesses.sum())),
        micro_recall=float(_share(right.sum(), support.sum())),
        macro_f1=float(f1.mean()),
        macro_precision=float(precision.mean()),
        macro_recall=float(recall.mean()),
        subset_accuracy=float((named == said).all(axis=1).mean()),
        hamming_loss=float((named != said).mean()),
        by_label=tuple(LabelFigures(float(p), float(r), float(f), int(n)) for p, r, f, n in rows),
    )


def best_threshold(named: Table, probabilities: Floats, average: Average) -> float:
    """Return the one threshold for all labels with the best micro or macro F1.

    A label is said from the threshold on. Of equally good ones that nearest to 0.5 is taken.

    Args:
        named: which labels each example has, [examples, labels].
        probabilities: of each, [examples, labels].
        average: what is to be best.
    """
    order = np.argsort(-probabilities, axis=None, kind="stable")
    scores, right = probabilities.reshape(-1)[order], named.reshape(-1)[order]
    if average == "micro_f1":
        figures = _f1_of_cuts(right, int(named.sum()))
    else:
        gains = np.zeros(probabilities.shape)
        for label in range(named.shape[1]):
            own = np.argsort(-probabilities[:, label], kind="stable")
            curve = _f1_of_cuts(named[own, label], int(named[:, label].sum()))
            gains[own, label] = np.diff(curve)
        figures = np.r_[0.0, np.cumsum(gains.reshape(-1)[order])] / named.shape[1]
    return _best_cut(scores, figures)


def best_thresholds(named: Table, probabilities: Floats, average: Average) -> list[float]:
    """Return a threshold for each label, together with the best micro or macro F1.

    Macro F1 is a mean over labels, so each label's own F1 is made best. Micro F1 is a fraction
    of sums over labels: it is made best by Dinkelbach's method (1967), each label taking its
    best cut at the current value of the fraction, until that no longer rises. A label that no
    example has keeps 0.5: nothing is known of it.
    """
    labels = range(named.shape[1])
    orders = [np.argsort(-probabilities[:, label], kind="stable") for label in labels]
    scores = [probabilities[order, label] for label, order in enumerate(orders)]
    right = [named[order, label] for label, order in enumerate(orders)]
    support = named.sum(axis=0)
    if not support.any():
        return [0.5] * named.shape[1]
    if average == "macro_f1":
        curves = [_f1_of_cuts(r, int(n)) for r, n in zip(right, support, strict=True)]
    else:
        curves = _micro_values(scores, right, support)
    return [
        _best_cut(s, curve) if count else 0.5
        for s, curve, count in zip(scores, curves, support, strict=True)
    ]


def _micro_values(
    scores: list[Floats], right: list[Table], support: npt.NDArray[np.int64]
) -> list[Floats]:
    """Return for each label what each of its cuts is worth where micro F1 is best."""
    best = 0.0
    # What is said of labels that keep 0.5, all of it wrong.
    idle = sum(int((s >= 0.5).sum()) for s, count in zip(scores, support, strict=True) if not count)
    while True:
        # 2 TP / (said + named) is over ``best`` where the sum of 2 TP - best * said is over
        # best * named, and that sum is best label by label.
        hits = [np.r_[0, np.cumsum(r)] for r in right]
        values = [2.0 * h - best * np.arange(len(h)) for h in hits]
        cuts = [
            _allowed(s, v) if count else 0
            for s, v, count in zip(scores, values, support, strict=True)
        ]
        said = idle + sum(cuts)
        found = sum(int(h[cut]) for h, cut in zip(hits, cuts, strict=True))
        value = 2 * found / (said + int(support.sum()))
        if value <= best:
            return values
        best = value


def _f1_of_cuts(right: Table, support: int) -> Floats:
    """Return F1 when the first 0, 1, ... of the sorted items are said, [items + 1]."""
    hits = np.r_[0, np.cumsum(right)]
    return _share(2 * hits, np.arange(len(hits)) + support)


def _allowed(scores: Floats, figures: Floats) -> int:
    """Return the best number of items to say; equal scores are said together or not at all."""
    cuts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1], True])
    return int(cuts[np.argmax(figures[cuts])])


def _best_cut(scores: Floats, figures: Floats) -> float:
    """Return the threshold midway between the last score said and the first not said."""
    cuts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1], True])
    # Over 1 is never said, as is needed where a wrong label is certain.
    above, below = np.r_[1.0 if scores[0] < 1 else 2.0, scores], np.r_[scores, 0.0]
    thresholds = (above[cuts] + below[cuts]) / 2
    # A sum of many fractions is exact to some digits only; what differs less is equal.
    found = figures[cuts] >= figures[cuts].max() - 1e-12
    return float(min(thresholds[found], key=lambda threshold: (abs(threshold - 0.5), threshold)))


def _share(part: Any, whole: Any) -> Any:
    """Return part / whole, 0 where there is no whole."""
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
