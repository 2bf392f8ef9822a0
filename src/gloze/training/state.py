"""Where a training stands: with weights and optimizer, everything needed to go on exactly."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from gloze.core.errors import DataError


@dataclass
class TrainingState:
    """Scalars of a training, saved with each checkpoint.

    Random numbers are no part of it: they follow from the seed and these counts.

    Attributes:
        step: steps done, skipped updates included.
        tokens: tokens seen.
        seconds: time spent, over all sittings.
        phase: which stream of steps is read; 0 is the first.
        epoch, number: the next step's place in the data.
        evaluations: how many evaluations are done.
        best_score, best_step: the best of them, and where it was; none if nobody judges them.
        worse: evaluations since then.
        sums: losses and counts since the last log row, and the seconds as of the last save.
        excluded: data steps [epoch, number] never to be used again.
        refused: [step, epoch, number] of updates skipped for numbers that were not finite.
        suspects: data steps [epoch, number] of the current stretch of bad losses.
        rollbacks: returns to an earlier checkpoint so far.
        loss_mean, loss_square, loss_count: running statistics of the loss.
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    phase: int = 0
    epoch: int = 0
    number: int = 0
    evaluations: int = 0
    best_score: float | None = None
    best_step: int = 0
    worse: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    excluded: list[list[int]] = field(default_factory=list)
    refused: list[list[int]] = field(default_factory=list)
    suspects: list[list[int]] = field(default_factory=list)
    rollbacks: int = 0
    loss_mean: float = 0.0
    loss_square: float = 0.0
    loss_count: int = 0

    def is_best(self, score: float) -> bool:
        """Note the score of an evaluation; return whether it is better than all before."""
        if self.best_score is not None and score <= self.best_score:
            self.worse += 1
            return False
        self.best_score, self.best_step, self.worse = score, self.step, 0
        return True

    def add(self, values: dict[str, float]) -> None:
        """Add losses and counts to the sums of the next log row."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainingState:
        """Return the state that was saved.

        Raises:
            DataError: if names are missing or unknown: another version wrote it.
        """
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            other = sorted(names ^ set(values))
            raise DataError(
                "this training was begun with another version of gloze, and cannot be gone on "
                f"with exactly ({', '.join(other)}).",
                hint="End it with that version (recipe.toml names it), or begin anew.",
            )
        return cls(**values)
