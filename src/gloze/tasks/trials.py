"""Settings that a search tried, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Trial:
    """Settings that a search tried.

    Attributes:
        changes: to the recipe, each ``path=value``.
        path: its folder.
        metric: the figure on dev by which trials are compared.
        score: that figure; None if training diverged.
    """

    changes: tuple[str, ...]
    path: Path
    metric: str
    score: float | None

    @property
    def values(self) -> dict[str, str]:
        """What each setting was."""
        pairs = (change.partition("=") for change in self.changes)
        return {path: value for path, _, value in pairs}

    def __str__(self) -> str:
        found = "diverged" if self.score is None else f"{self.metric} {self.score:.4f}"
        return f"{' '.join(self.changes)}: {found}"

    def to_dict(self) -> dict[str, Any]:
        """Return the trial as JSON can hold it."""
        return {"settings": self.values, "path": str(self.path), self.metric: self.score}


def trials_table(trials: Sequence[Trial]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows, the best trial first."""
    ranked = sorted(trials, key=_score, reverse=True)
    names = [path.removeprefix("training.") for path in trials[0].values]
    rows = [
        [*trial.values.values(), "diverged" if trial.score is None else f"{trial.score:.4f}"]
        for trial in ranked
    ]
    return [*names, f"dev {trials[0].metric}"], rows


def _score(trial: Trial) -> float:
    return -float("inf") if trial.score is None else trial.score


def best_trial(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the best figure, the first of equals."""
    return max(trials, key=_score)
