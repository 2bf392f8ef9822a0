"""Multilabel classification: any number of labels for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gloze.core.contracts import Mark, Objective, keep_labels
from gloze.core.errors import ConfigError
from gloze.metrics.multilabel import best_threshold, best_thresholds, multilabel_figures
from gloze.nn.init import initialize
from gloze.tasks.examples import Example
from gloze.tasks.learned import Judged, Learned, id2label
from gloze.tasks.multilabel_files import (
    LabelledText,
    LabelReader,
    label_reader,
    learn_label_sets,
    read_names,
    table_of_labels,
)
from gloze.tasks.texts import TextHead, TextTask

if TYPE_CHECKING:
    import numpy.typing as npt

    from gloze.core.batch import Batch
    from gloze.encoders.kinds import AnyEncoder
    from gloze.nn.readout import Readout

NAME: Final = "multilabel"
# Of a label that every example has, or none: its odds have no logarithm.
_LEAST_RATE = 1e-4


@dataclass(frozen=True)
class LabelSet:
    """An answer.

    Attributes:
        labels: those whose probability reaches their threshold, maybe none.
        probabilities: of every label by itself, in the order of their numbers.
    """

    labels: tuple[str, ...]
    probabilities: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Multilabel(TextTask):
    """How texts get labels, and by which figure the answers are judged.

    Attributes:
        head: ``sigmoid`` has one score a label; ``softmax`` has two, for and against it, and a
            two-way softmax of them. Either way the losses of the labels are summed.
        threshold: the probability from which a label is said; ``tune`` chooses one on dev for
            all labels, ``tune_each`` one a label.
        separator: between the labels in one column.
        label_names: a file with the names of labels that are numbers, that of 0 on its first
            line.
        metric: by which thresholds are chosen and seeds compared; ``auto`` is ``micro_f1``.
    """

    kind: Literal["multilabel"] = NAME
    head: Literal["sigmoid", "softmax"] = "sigmoid"
    threshold: float | Literal["tune", "tune_each"] = 0.5
    separator: str = ","
    label_names: str | None = None
    metric: Literal["auto", "micro_f1", "macro_f1"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.threshold, str) and not 0 <= self.threshold <= 1:
            raise ConfigError(f"task.threshold is {self.threshold}; it must be from 0 to 1.")
        if not self.separator:
            raise ConfigError("task.separator is empty; give the text between two labels.")

    @property
    def files(self) -> dict[str, Path]:
        """The names of labels, if they are in a file."""
        return {"label_names": Path(self.label_names)} if self.label_names else {}

    @property
    def is_tuned(self) -> bool:
        """Whether thresholds are chosen on dev."""
        return isinstance(self.threshold, str)

    def reader(  # type: ignore[override]
        self, format: str | None = None, columns: str | dict[str, str] | None = None
    ) -> LabelReader:
        """Return how files of this layout are read; see :meth:`Task.reader`."""
        return label_reader(format, columns, self.separator)

    def resolve(self, *, is_plain: bool, metric: str | None = None) -> Multilabel:
        """Return the settings with every ``auto`` decided; see :meth:`Task.resolve`."""
        chosen: Any = "micro_f1" if self.metric == "auto" else self.metric
        return replace(super().resolve(is_plain=is_plain), metric=chosen)

    def learn(self, examples: Sequence[Example], path: Path) -> Learned:
        """Return labels, their names and thresholds; see :meth:`Task.learn`."""
        found = learn_label_sets(_labelled(examples), path)
        names = read_names(Path(self.label_names), found) if self.label_names else found
        for name in names:
            if self.separator in name:
                raise ConfigError(
                    f"The label {name!r} holds task.separator {self.separator!r}, which stands "
                    "between labels where answers are written. Set another task.separator."
                )
        threshold = 0.5 if isinstance(self.threshold, str) else self.threshold
        return Learned(
            labels=tuple(names),
            pairs=examples[0].text_b is not None,
            values={
                "as_written": found,
                "thresholds": [threshold] * len(names),
                "rates": table_of_labels(_labelled(examples), found, path).mean(axis=0).tolist(),
            },
        )

    def targets(
        self, examples: Sequence[Example], learned: Learned, path: Path
    ) -> npt.NDArray[np.float32]:
        """Return 1 for the labels of each example and 0 for the others, [examples, labels]."""
        return self._named(examples, learned, path).astype(np.float32)

    def _named(
        self, examples: Sequence[Example], learned: Learned, path: Path
    ) -> npt.NDArray[np.bool_]:
        written = learned.values.get("as_written", learned.labels)
        return table_of_labels(_labelled(examples), written, path)

    def build(
        self,
        encoder: AnyEncoder,
        readout: Readout,
        learned: Learned,
        initializer_range: float = 0.02,
    ) -> Objective:
        """Return the task as an objective, with a head of random weights.

        Biases begin at the log odds of each label in training (Lin et al. 2017, 3.3): where they
        begin at 0, the first hundred steps teach the encoder nothing but that labels are rare.
        """
        head = LabelsHead(encoder, readout, self, len(learned.labels))
        initialize(head.output, initializer_range)
        if "rates" in learned.values:
            head.begin_at(torch.tensor(learned.values["rates"]))
        return Objective(NAME, 1.0, keep_labels, head)

    def settle(self, head: nn.Module, learned: Learned) -> Learned:
        """Return what was learned without what a training begins with."""
        return replace(learned, values={k: v for k, v in learned.values.items() if k != "rates"})

    def answers(self, judged: Judged[Example]) -> list[LabelSet]:
        """Return the labels of each example, and the probability of each label."""
        labels, found = judged.learned.labels, probabilities(judged)
        said = found >= self._thresholds(judged.learned)
        return [
            LabelSet(
                tuple(label for label, is_said in zip(labels, row, strict=True) if is_said),
                dict(zip(labels, shares, strict=True)),
            )
            for row, shares in zip(said.tolist(), found.tolist(), strict=True)
        ]

    def _thresholds(self, learned: Learned) -> npt.NDArray[np.float64]:
        return np.array(learned.values.get("thresholds", [0.5] * len(learned.labels)))

    def figures(self, judged: Judged[Example], path: Path) -> dict[str, Any]:
        """Return precision, recall and F1 over all decisions and by label; see Task.figures."""
        named, found = self._named(judged.examples, judged.learned, path), probabilities(judged)
        values = multilabel_figures(named, found >= self._thresholds(judged.learned)).to_dict()
        by_label = dict(zip(judged.learned.labels, values.pop("by_label"), strict=True))
        right = np.where(named, found, 1 - found)
        loss = float(-np.log(np.maximum(right, 1e-45)).sum(axis=1).mean())
        return {**values, "loss": loss, "by_label": by_label}

    def tune(self, judged: Judged[Example], path: Path) -> Learned:
        """Return what was learned with the thresholds that are best for these examples."""
        if not self.is_tuned:
            return judged.learned
        named, found = self._named(judged.examples, judged.learned, path), probabilities(judged)
        average: Any = self.metric
        if self.threshold == "tune_each":
            best = best_thresholds(named, found, average)
        else:
            best = [best_threshold(named, found, average)] * named.shape[1]
        return judged.learned.with_values(thresholds=best)

    def shown(self, learned: Learned) -> list[str]:
        """Return the task's own metric, both F1 and the share of wholly right examples."""
        return list(dict.fromkeys([self.metric, "micro_f1", "macro_f1", "subset_accuracy"]))

    def row(self, example: Example, answer: LabelSet) -> dict[str, Any]:
        """Return the columns ``predicted_labels`` and ``probability_LABEL`` of each label."""
        shares = {f"probability_{label}": p for label, p in answer.probabilities.items()}
        return {"predicted_labels": self.separator.join(answer.labels), **shares}

    def tally(self, answer: LabelSet) -> Iterable[str]:
        """Return the labels."""
        return answer.labels or ("(none)",)

    def width(self, learned: Learned) -> int:
        """Return how many numbers the head has: one or two a label."""
        return len(learned.labels) * (2 if self.head == "softmax" else 1)

    def their_config(self, learned: Learned) -> dict[str, Any]:
        """Return labels and head as ``transformers`` names them; it has no head of softmaxes."""
        if self.head == "softmax":
            return id2label(learned.labels)
        return {
            **id2label(learned.labels),
            "problem_type": "multi_label_classification",
            **self.their_architecture("BertForSequenceClassification"),
        }


def _labelled(examples: Sequence[Example]) -> Sequence[LabelledText]:
    return cast("Sequence[LabelledText]", examples)


def probabilities(judged: Judged[Example]) -> npt.NDArray[np.float64]:
    """Return the probability of each label for each example, [examples, labels]."""
    odds = np.exp(-np.abs(judged.rows.astype(np.float64)))
    return np.where(judged.rows >= 0, 1, odds) / (1 + odds)


class TwoWay(nn.Linear):
    """Two scores a label, against it and for it, as the logarithm of the odds of their softmax."""

    def __init__(self, size: int, num_labels: int) -> None:
        super().__init__(size, 2 * num_labels)

    def forward(self, x: Float[Tensor, "n size"]) -> Float[Tensor, "n labels"]:
        """Return one number a label, which a sigmoid turns into the softmax's share for it."""
        scores = super().forward(x).unflatten(-1, (-1, 2))
        return scores[..., 1] - scores[..., 0]


class LabelsHead(TextHead):
    """One yes or no for each label, of one vector for each text."""

    def __init__(
        self, encoder: AnyEncoder, readout: Readout, task: Multilabel, num_labels: int
    ) -> None:
        super().__init__(encoder, readout, task, num_labels)
        if task.head == "softmax":
            self.output = TwoWay(readout.output_size, num_labels)

    def begin_at(self, rates: Float[Tensor, " labels"]) -> None:
        """Set the biases to the log odds of these shares of examples."""
        odds = rates.clamp(_LEAST_RATE, 1 - _LEAST_RATE).logit()
        if isinstance(self.output, TwoWay):
            odds = torch.stack([-odds / 2, odds / 2], dim=-1).flatten()
        with torch.no_grad():
            self.output.bias.copy_(odds)

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the loss summed over labels, and how many samples are wholly right."""
        wanted = batch.labels[NAME]
        logits = self.scores(hidden_states, batch).float()
        loss = F.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")
        right = ((logits.detach() >= 0) == (wanted > 0)).all(-1)
        return Mark(loss, right.sum())
