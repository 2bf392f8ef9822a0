"""Regression: a number for a text or a pair of texts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from gloze.core.contracts import Mark, Objective, keep_labels
from gloze.core.errors import DataError
from gloze.metrics.correlation import regression_figures
from gloze.nn.init import initialize
from gloze.tasks.examples import Example, TableReader
from gloze.tasks.learned import Judged, Learned, id2label
from gloze.tasks.texts import TextHead, TextTask
from gloze.tasks.writing import GlueAnswers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy.typing as npt

    from gloze.core.batch import Batch
    from gloze.encoders.kinds import AnyEncoder
    from gloze.nn.readout import Readout
    from gloze.tasks.writing import AnswerWriter

NAME: Final = "regression"
VALUE: Final = "score"
# Of a standard deviation: what counts as right in the curves of a training.
_NEAR = 0.5
# Fewest steps of 32 bits between the least and the greatest number.
_STEPS = 1000


@dataclass(frozen=True, kw_only=True)
class Regression(TextTask):
    """How texts get a number, and by which figure the answers are judged.

    Numbers are learned as deviations from their mean in standard deviations, so that rates suit
    any scale; the saved model answers on the scale of the file.

    Attributes:
        clip: answer nothing outside the numbers that training had.
        metric: by which seeds are compared; ``pearson_spearman`` is the mean of both; ``auto`` is
            what the file format is judged by, Pearson if it says nothing.
    """

    WRITES: ClassVar[tuple[str, ...]] = ("table", "glue")

    kind: Literal["regression"] = NAME
    clip: bool = False
    metric: Literal["auto", "pearson", "spearman", "pearson_spearman", "r2"] = "auto"

    def reader(
        self, format: str | None = None, columns: str | dict[str, str] | None = None
    ) -> TableReader:
        """Return how files of this layout are read: labels are numbers."""
        return super().reader(format, columns).with_scores()

    def resolve(self, *, is_plain: bool, metric: str | None = None) -> Regression:
        """Return the settings with every ``auto`` decided; see :meth:`Task.resolve`."""
        chosen: Any = (metric or "pearson") if self.metric == "auto" else self.metric
        return replace(super().resolve(is_plain=is_plain), metric=chosen)

    def learn(self, examples: Sequence[Example], path: Path) -> Learned:
        """Return mean, deviation and range of the numbers; see :meth:`Task.learn`."""
        numbers = numbers_of(examples)
        _check_spread(numbers, path)
        return Learned(
            pairs=examples[0].text_b is not None,
            values={
                "scale": [float(numbers.mean()), float(numbers.std())],
                "range": [float(numbers.min()), float(numbers.max())],
            },
        )

    def targets(
        self, examples: Sequence[Example], learned: Learned, path: Path
    ) -> npt.NDArray[np.float32]:
        """Return each example's number, in deviations from the mean of training."""
        mean, deviation = learned.values.get("scale", (0.0, 1.0))
        return ((numbers_of(examples) - mean) / deviation).astype(np.float32)

    def build(
        self,
        encoder: AnyEncoder,
        readout: Readout,
        learned: Learned,
        initializer_range: float = 0.02,
    ) -> Objective:
        """Return the task as an objective, with a head of random weights."""
        head = Regressor(encoder, readout, self, learned)
        initialize(head.output, initializer_range)
        return Objective(NAME, 1.0, keep_labels, head)

    def settle(self, head: nn.Module, learned: Learned) -> Learned:
        """Put mean and deviation into the weights, so that they alone answer."""
        assert isinstance(head, Regressor)
        head.fold()
        return replace(learned, values={k: v for k, v in learned.values.items() if k != "scale"})

    def answers(self, judged: Judged[Example]) -> list[float]:
        """Return the number of each example."""
        found = judged.rows[:, 0].astype(np.float64)
        if self.clip and "range" in judged.learned.values:
            found = found.clip(*judged.learned.values["range"])
        return [float(value) for value in found]

    def figures(self, judged: Judged[Example], path: Path) -> dict[str, Any]:
        """Return correlations and errors; see :meth:`Task.figures`."""
        found = regression_figures(numbers_of(judged.examples), np.array(self.answers(judged)))
        figures = {**found.to_dict(), "loss": found.mean_squared_error}
        if found.is_constant:
            figures["note"] = "All answers or all labels are one number: correlations count 0."
        return figures

    def shown(self, learned: Learned) -> list[str]:
        """Return the task's own metric, both correlations and the mean error."""
        return list(dict.fromkeys([self.metric, "pearson", "spearman", "mean_absolute_error"]))

    def row(self, example: Example, answer: float) -> dict[str, Any]:
        """Return the column ``predicted_score``."""
        return {f"predicted_{VALUE}": answer}

    def writer(
        self, path: Path, layout: str | None = None, *, source: Path, force: bool = False
    ) -> AbstractContextManager[AnswerWriter]:
        """Return the writer of a table, or of a submission to GLUE; see :meth:`Task.writer`."""
        if layout == "glue":
            return GlueAnswers.open(path, lambda answer: f"{answer:.3f}", force=force)
        return super().writer(path, layout, source=source, force=force)

    def width(self, learned: Learned) -> int:
        """Return 1."""
        return 1

    def their_config(self, learned: Learned) -> dict[str, Any]:
        """Return the head as ``transformers`` names it."""
        return {
            **id2label([VALUE]),
            "problem_type": "regression",
            **self.their_architecture("BertForSequenceClassification"),
        }

    @classmethod
    def from_theirs(cls, values: dict[str, Any], max_length: int) -> tuple[Regression, Learned]:
        """Return the task that a ``config.json`` of theirs describes; it has no labels."""
        return cls(max_length=max_length).resolve(is_plain=True), Learned()


def _check_spread(numbers: npt.NDArray[np.float64], path: Path) -> None:
    low, high = float(numbers.min()), float(numbers.max())
    if low == high:
        raise DataError(
            f"every example has the number {low:g}, so there is nothing to learn.", path=path
        )
    step = float(np.spacing(np.float32(max(abs(low), abs(high)))))
    if high - low < _STEPS * step:
        raise DataError(
            f"the numbers, {low!r} to {high!r}, lie too close for 32 bits, in which they are told "
            f"apart by steps of {step:.1e}.",
            path=path,
            hint="Subtract the same number from all of them, or multiply them by one.",
        )


def numbers_of(examples: Sequence[Example]) -> npt.NDArray[np.float64]:
    """Return the label of each example as the number it is, [examples]."""
    return np.array([float(example.label or math.nan) for example in examples], dtype=np.float64)


class Regressor(TextHead):
    """One number of one vector for each text."""

    scale: Tensor

    def __init__(
        self, encoder: AnyEncoder, readout: Readout, task: Regression, learned: Learned
    ) -> None:
        super().__init__(encoder, readout, task, 1)
        # Of the training alone, so not among the weights of the model.
        scale = torch.tensor(learned.values.get("scale", [0.0, 1.0]))
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the summed squared error in deviations, and how many are off by under a half."""
        error = super().scores(hidden_states, batch)[:, 0].float() - batch.labels[NAME]
        return Mark(error.square().sum(), (error.detach().abs() < _NEAR).sum())

    def scores(self, hidden_states: list[Tensor], batch: Batch) -> Float[Tensor, "samples 1"]:
        """Return the number of each sample, on the scale of the labels."""
        mean, deviation = self.scale
        return super().scores(hidden_states, batch) * deviation + mean

    def fold(self) -> None:
        """Put the scale into the weights."""
        mean, deviation = self.scale
        with torch.no_grad():
            self.output.weight.mul_(deviation)
            self.output.bias.mul_(deviation).add_(mean)
        self.scale = torch.tensor([0.0, 1.0], device=self.scale.device)
