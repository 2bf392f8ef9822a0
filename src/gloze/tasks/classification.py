"""Classification: one of several labels for a text or a pair of texts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gloze.core.contracts import Mark, Objective, keep_labels
from gloze.core.errors import ConfigError, nearest
from gloze.core.progress import say
from gloze.core.settings import check_rate, refuse_idle
from gloze.metrics.classification import classification_figures, shown_metrics
from gloze.nn.init import initialize
from gloze.tasks.examples import Example, TableReader
from gloze.tasks.labels import learn_labels, number_labels
from gloze.tasks.learned import Judged, Learned, id2label
from gloze.tasks.texts import TextHead, TextTask
from gloze.tasks.writing import GlueAnswers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from gloze.core.batch import Batch, Ints
    from gloze.encoders.kinds import AnyEncoder
    from gloze.nn.readout import Readout
    from gloze.tasks.writing import AnswerWriter

NAME: Final = "classification"
_RARE = 2
_NAMED = 20


@dataclass(frozen=True)
class Prediction:
    """An answer.

    Attributes:
        label: the most probable one.
        probabilities: of every label, in the order of their numbers; they add up to 1.
    """

    label: str
    probabilities: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Classification(TextTask):
    """How texts get a label, and by which figure the answers are judged.

    Attributes:
        label_smoothing: share of each example that counts for all labels alike.
        class_weights: of each label in the loss: ``balanced`` is one over its frequency; or
            numbers by label, 1 for those not named. They are scaled to a mean of 1 over the
            examples.
        metric: by which seeds are compared; ``auto`` is what the file format is judged by,
            accuracy if it says nothing.
        positive_label: whose F1 is meant when there are two labels; the second one if not set.
    """

    WRITES: ClassVar[tuple[str, ...]] = ("table", "glue")
    MEASURE: ClassVar[tuple[str, ...]] = ("metric", "positive_label")

    kind: Literal["classification"] = NAME
    label_smoothing: float = 0.0
    class_weights: Literal["none", "balanced"] | dict[str, float] = "none"
    metric: Literal["auto", "accuracy", "f1", "macro_f1", "matthews"] = "auto"
    positive_label: str | int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rate("task.label_smoothing", self.label_smoothing)
        if isinstance(self.class_weights, dict) and min(self.class_weights.values(), default=1) < 0:
            raise ConfigError("task.class_weights: a weight cannot be negative.")

    @property
    def _positive(self) -> str | None:
        # Labels are texts; unquoted, a recipe reads 0 and true as a number and a boolean.
        given = self.positive_label
        return str(given).lower() if isinstance(given, int) else given

    def reader(
        self, format: str | None = None, columns: str | dict[str, str] | None = None
    ) -> TableReader:
        """Return how files of this layout are read; see :meth:`Task.reader`."""
        found = super().reader(format, columns)
        if found.layout.has_scores:
            raise ConfigError(
                "The labels of this format are numbers on a scale, not classes: that is the "
                "regression task."
            )
        return found

    def resolve(self, *, is_plain: bool, metric: str | None = None) -> Classification:
        """Return the settings with every ``auto`` decided; see :meth:`Task.resolve`."""
        chosen: Any = (metric or "accuracy") if self.metric == "auto" else self.metric
        return replace(super().resolve(is_plain=is_plain), metric=chosen)

    def learn(self, examples: Sequence[Example], path: Path) -> Learned:
        """Return labels, class weights, and whether examples are pairs; see :meth:`Task.learn`."""
        labels = learn_labels(examples, path)
        self._check_named("positive_label", self._positive, labels)
        if len(labels) > 2:
            several = f"{path} has {len(labels)} labels, and the F1 of one is that of two."
            refuse_idle("task", self, ("positive_label",), several)
        pairs = examples[0].text_b is not None
        counts = Counter(example.label for example in examples)
        rare = [label for label in labels if counts[label] < _RARE]
        if rare:
            names = ", ".join(map(repr, rare[:_NAMED])) + ", ..." * (len(rare) > _NAMED)
            say(f"{path}: {len(rare)} of {len(labels)} labels have one example: {names}")
        learned = Learned(labels=tuple(labels), pairs=pairs)
        if self.class_weights == "none":
            return learned
        weights = self._weights(labels, [counts[label] for label in labels])
        return learned.with_values(class_weights=weights)

    def _weights(self, labels: list[str], counts: list[int]) -> list[float]:
        given = self.class_weights
        if isinstance(given, dict):
            for label in given:
                self._check_named("class_weights", label, labels)
            weights = [given.get(label, 1.0) for label in labels]
        else:
            weights = [1.0 / count for count in counts]
        total = sum(weight * count for weight, count in zip(weights, counts, strict=True))
        if not total:
            raise ConfigError("task.class_weights leaves no example with a weight.")
        return [weight * sum(counts) / total for weight in weights]

    def _check_named(self, setting: str, label: str | None, labels: Sequence[str]) -> None:
        if label is not None and label not in labels:
            raise ConfigError(
                f"task.{setting} names {label!r}. {nearest(label, labels)}"
                f"The labels are {', '.join(labels)}."
            )

    def targets(self, examples: Sequence[Example], learned: Learned, path: Path) -> Ints:
        """Return the number of each example's label."""
        return number_labels(examples, learned.labels, path)

    def build(
        self,
        encoder: AnyEncoder,
        readout: Readout,
        learned: Learned,
        initializer_range: float = 0.02,
    ) -> Objective:
        """Return the task as an objective, with a head of random weights."""
        head = Classifier(encoder, readout, self, learned)
        initialize(head.output, initializer_range)
        return Objective(NAME, 1.0, keep_labels, head)

    def answers(self, judged: Judged[Example]) -> list[Prediction]:
        """Return the most probable label of each example, and the probability of each."""
        labels = judged.learned.labels
        shares = probabilities(judged.rows)
        return [
            Prediction(labels[int(best)], dict(zip(labels, row, strict=True)))
            for best, row in zip(shares.argmax(-1), shares.tolist(), strict=True)
        ]

    def figures(self, judged: Judged[Example], path: Path) -> dict[str, Any]:
        """Return accuracy, F1, Matthews and the confusions; see :meth:`Task.figures`."""
        names = judged.learned.labels
        self._check_named("positive_label", self._positive, names)
        labels = number_labels(judged.examples, names, path)
        shares = probabilities(judged.rows)
        right = shares[np.arange(len(labels)), labels]
        return classification_figures(
            labels,
            shares.argmax(-1),
            num_labels=len(names),
            positive=1 if self._positive is None else names.index(self._positive),
            loss=float(-np.log(np.maximum(right, 1e-45)).mean()),
        ).to_dict()

    def shown(self, learned: Learned) -> list[str]:
        """Return the task's own metric, accuracy and F1."""
        return shown_metrics(self.metric, len(learned.labels))

    def row(self, example: Example, answer: Prediction) -> dict[str, Any]:
        """Return the columns ``predicted_label`` and ``probability_LABEL`` of each label."""
        shares = {f"probability_{label}": p for label, p in answer.probabilities.items()}
        return {"predicted_label": answer.label, **shares}

    def tally(self, answer: Prediction) -> Iterable[str]:
        """Return the label."""
        return (answer.label,)

    def writer(
        self, path: Path, layout: str | None = None, *, source: Path, force: bool = False
    ) -> AbstractContextManager[AnswerWriter]:
        """Return the writer of a table, or of a submission to GLUE; see :meth:`Task.writer`."""
        if layout == "glue":
            return GlueAnswers.open(path, lambda answer: answer.label, force=force)
        return super().writer(path, layout, source=source, force=force)

    def their_config(self, learned: Learned) -> dict[str, Any]:
        """Return labels and head as ``transformers`` names them."""
        return {
            **id2label(learned.labels),
            "problem_type": "single_label_classification",
            **self.their_architecture("BertForSequenceClassification"),
        }


def probabilities(rows: np.ndarray) -> np.ndarray:
    """Return the softmax of each row, in float64."""
    scores = rows.astype(np.float64)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(shares / shares.sum(-1, keepdims=True))


class Classifier(TextHead):
    """One score for each label, of one vector for each text."""

    class_weights: Tensor | None

    def __init__(
        self, encoder: AnyEncoder, readout: Readout, task: Classification, learned: Learned
    ) -> None:
        super().__init__(encoder, readout, task, len(learned.labels))
        self.label_smoothing = task.label_smoothing
        weights = learned.values.get("class_weights")
        # Of the training alone, so not among the weights of the model.
        self.register_buffer(
            "class_weights", None if weights is None else torch.tensor(weights), persistent=False
        )

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the summed loss and the number of right answers."""
        labels = batch.labels[NAME]
        logits = self.scores(hidden_states, batch).float()
        loss = F.cross_entropy(
            logits,
            labels,
            weight=self.class_weights,
            label_smoothing=self.label_smoothing,
            reduction="sum",
        )
        return Mark(loss, (logits.detach().argmax(-1) == labels).sum())
