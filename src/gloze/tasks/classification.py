"""Classification: one of several labels for a text or a pair of texts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gloze.core.batch import Batch, Ints, Samples
from gloze.core.contracts import Encoder, Mark, Objective
from gloze.core.errors import ConfigError, DataError, nearest
from gloze.core.settings import Settings
from gloze.nn.init import initialize
from gloze.nn.pooling import first_of_sequence, mean_of_sequence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gloze.encoders.transformer import TransformerEncoder
    from gloze.tasks.examples import Example

NAME = "classification"
Pooling = Literal["auto", "pooler", "cls", "mean"]
Metric = Literal["auto", "accuracy", "f1", "macro_f1", "matthews"]


@dataclass(frozen=True, kw_only=True)
class ClassificationConfig(Settings):
    """How texts become a vector, and by which figure the answers are judged.

    Attributes:
        max_length: tokens of a sequence with [CLS] and [SEP]; longer examples are cut.
        pooling: ``pooler`` is BERT's dense layer with tanh on [CLS] (Devlin et al. 2019, 4.1),
            ``cls`` the state of [CLS] itself, ``mean`` the mean over the tokens; ``auto`` is
            ``mean`` for frozen transfer, else ``pooler``.
        layers: whose hidden states are used, one after the other; 0 is the embeddings, -1 the
            last layer.
        dropout: before the scores.
        metric: by which seeds are compared; ``auto`` is what the file format is judged by,
            accuracy if it says nothing.
        positive_label: whose F1 is meant when there are two labels; the second one if not set.
    """

    max_length: int = 128
    pooling: Pooling = "auto"
    layers: tuple[int, ...] = (-1,)
    dropout: float = 0.1
    metric: Metric = "auto"
    positive_label: str | None = None

    def __post_init__(self) -> None:
        if self.max_length < 5:
            raise ConfigError(f"task.max_length is {self.max_length}; it must be at least 5.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"task.dropout is {self.dropout}; it must be at least 0, under 1.")
        if not self.layers:
            raise ConfigError("task.layers is empty; name at least one, like [-1].")
        if self.pooling == "pooler" and self.layers != (-1,):
            raise ConfigError(
                f"task.layers is {list(self.layers)}, and the pooler was trained on the last layer "
                "alone. Set task.layers=[-1], or task.pooling to cls or mean."
            )

    def resolve(self, *, is_frozen: bool, metric: Metric) -> ClassificationConfig:
        """Return the settings with every ``auto`` decided.

        Args:
            is_frozen: whether the encoder is used as it is.
            metric: what the file format is judged by.
        """
        pooling = self.pooling
        if pooling == "auto":
            pooling = "mean" if is_frozen or self.layers != (-1,) else "pooler"
        return replace(
            self, pooling=pooling, metric=metric if self.metric == "auto" else self.metric
        )

    def check(self, encoder: TransformerEncoder, examples: Sequence[Example]) -> None:
        """Check that the encoder can take such examples.

        Raises:
            ConfigError: if sequences could be longer than the table of positions, or a second
                segment has no type of its own.
        """
        config = encoder.config
        if self.max_length > config.max_position_embeddings:
            raise ConfigError(
                f"task.max_length is {self.max_length}, and the model has positions for "
                f"{config.max_position_embeddings} tokens. "
                f"Set task.max_length={config.max_position_embeddings} or less."
            )
        if config.type_vocab_size < 2 and any(e.text_b is not None for e in examples):
            raise ConfigError("The model knows one segment type, so it cannot take pairs of texts.")

    def check_labels(self, labels: Sequence[str]) -> None:
        """Check that the positive label is one of the labels.

        Raises:
            ConfigError: if it is not.
        """
        if self.positive_label is not None and self.positive_label not in labels:
            raise ConfigError(
                f"task.positive_label is {self.positive_label!r}. "
                f"{nearest(self.positive_label, labels)}The labels are {', '.join(labels)}."
            )

    def build(
        self, encoder: Encoder, num_labels: int, initializer_range: float = 0.02
    ) -> Objective:
        """Return the task as an objective, with a head of random weights."""
        head = Classifier(encoder, self, num_labels, initializer_range)
        return Objective(NAME, 1.0, keep_labels, head)


def keep_labels(samples: Samples) -> Samples:
    """Return the samples as they are: the labels come from the file."""
    return samples


class Classifier(nn.Module):
    """One vector for each sequence, dropout, one score for each label."""

    def __init__(
        self,
        encoder: Encoder,
        config: ClassificationConfig,
        num_labels: int,
        initializer_range: float = 0.02,
    ) -> None:
        super().__init__()
        self.pooling, self.layers = config.pooling, config.layers
        # Not registered here: the pooler belongs to the encoder and is saved with it.
        self._pooler = (encoder.pooler,)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(encoder.output_size * len(config.layers), num_labels)
        initialize(self.output, initializer_range)

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the summed loss and the number of right answers."""
        labels = batch.labels[NAME]
        logits = self.logits(hidden_states, batch).float()
        loss = F.cross_entropy(logits, labels, reduction="sum")
        return Mark(loss, (logits.detach().argmax(-1) == labels).sum())

    def logits(
        self, hidden_states: list[Tensor], batch: Batch
    ) -> Float[Tensor, "sequences labels"]:
        """Return one score for each label."""
        result: Tensor = self.output(self.dropout(self._pool(hidden_states, batch)))
        return result

    def _pool(self, hidden_states: list[Tensor], batch: Batch) -> Tensor:
        count = len(hidden_states)
        for layer in self.layers:
            if not -count <= layer < count:
                raise ConfigError(
                    f"task.layers names {layer}; the model has hidden states 0 (the embeddings) "
                    f"to {count - 1}, or {-count} to -1 from the end."
                )
        if self.pooling == "pooler":
            pooled: Tensor = self._pooler[0](hidden_states[-1], batch)
            return pooled
        pool = first_of_sequence if self.pooling == "cls" else mean_of_sequence
        return torch.cat([pool(hidden_states[layer], batch) for layer in self.layers], dim=-1)


def sorted_labels(labels: Sequence[str | None]) -> list[str]:
    """Return the distinct labels in the order of their numbers: by value if all are numbers."""
    distinct = {label for label in labels if label is not None}
    if all(label.isascii() and label.removeprefix("-").isdigit() for label in distinct):
        return sorted(distinct, key=lambda label: (int(label), label))
    return sorted(distinct)


def learn_labels(examples: Sequence[Example], path: Path) -> list[str]:
    """Return the labels of the training data, in the order of their numbers.

    Raises:
        DataError: if there is nothing to tell apart, or the labels look like measurements.
    """
    labels = sorted_labels([example.label for example in examples])
    if len(labels) < 2:
        raise DataError(
            f"every example has the label {labels[0]!r}, so there is nothing to learn.", path=path
        )
    if len(labels) > 1000 and len(labels) > len(examples) / 2:
        raise DataError(
            f"{len(labels)} different labels in {len(examples)} examples: that is no "
            "classification.",
            path=path,
            hint="Name the right column with --columns label=NAME.",
        )
    return labels


def number_labels(examples: Sequence[Example], labels: Sequence[str], path: Path) -> Ints:
    """Return the number of each example's label.

    Raises:
        DataError: at the first label that training did not have.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    for example in examples:
        if example.label not in numbers:
            known = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
            raise DataError(
                f"unknown label {example.label!r}. "
                f"{nearest(example.label or '', labels)}Known from training: {known}.",
                path=path,
                line=example.line,
                column="label",
            )
    return np.array([numbers[e.label] for e in examples if e.label is not None], dtype=np.int64)
