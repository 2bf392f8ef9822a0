"""Tasks that judge a text, or a pair of texts, as a whole: what they share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gloze.core.batch import Batch
from gloze.core.errors import ConfigError
from gloze.nn.pooling import first_of_sequence, mean_of_sequence
from gloze.tasks.encoding import encode_examples, encode_windows
from gloze.tasks.examples import Example, TableReader, as_examples, check_pairs
from gloze.tasks.formats import find_format
from gloze.tasks.task import Task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from gloze.encoders.transformer import TransformerConfig
    from gloze.nn.readout import Readout
    from gloze.tasks.encoded import EncodedExamples
    from gloze.tasks.learned import Learned
    from gloze.tokenizers import Tokenizer

Pooling = Literal["auto", "pooler", "cls", "mean"]


@dataclass(frozen=True, kw_only=True)
class TextTask(Task[Example]):
    """A task whose examples are texts or pairs of texts, each with one vector.

    Attributes:
        max_length: tokens of a sequence with [CLS] and [SEP].
        long_text: what becomes of longer ones: ``head`` keeps the beginning, ``head_tail`` the
            beginning and the end (Sun et al. 2019, 5.3.1), ``windows`` judges overlapping
            windows of a single text and pools their scores.
        stride: tokens from the start of one window to that of the next; half a window if not set.
        max_windows: of a text; what is past them is cut.
        window_pooling: of the windows' scores.
        pooling: ``pooler`` is BERT's dense layer with tanh on [CLS] (Devlin et al. 2019, 4.1),
            ``cls`` the state of [CLS] itself, ``mean`` the mean over the tokens; ``auto`` is
            ``pooler`` if the last layer of an encoder that trains is read, else ``mean``.
        dropout: before the scores.
    """

    max_length: int = 128
    long_text: Literal["head", "head_tail", "windows"] = "head"
    stride: int | None = None
    max_windows: int = 16
    window_pooling: Literal["mean", "max"] = "mean"
    pooling: Pooling = "auto"
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.max_length < 5:
            raise ConfigError(f"task.max_length is {self.max_length}; it must be at least 5.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"task.dropout is {self.dropout}; it must be at least 0, under 1.")
        if self.max_windows < 1:
            raise ConfigError(f"task.max_windows is {self.max_windows}; it must be at least 1.")
        if self.stride is not None and not 1 <= self.stride <= self.max_length - 2:
            raise ConfigError(
                f"task.stride is {self.stride}; it must be from 1 to {self.max_length - 2}, the "
                "tokens of a window, or some would be in none."
            )
        if self.stride is not None and self.long_text != "windows":
            raise ConfigError("task.stride does nothing here: set task.long_text=windows.")

    def reader(
        self, format: str | None = None, columns: str | dict[str, str] | None = None
    ) -> TableReader:
        """Return how files of this layout are read; see :meth:`Task.reader`."""
        return TableReader(find_format(format, columns))

    def take(self, inputs: Sequence[Any]) -> list[Example]:
        """Return examples of texts, or of pairs of texts."""
        return as_examples(inputs)

    def resolve(self, *, is_plain: bool, metric: str | None = None) -> Self:
        """Return the settings with every ``auto`` decided; see :meth:`Task.resolve`."""
        if self.pooling == "pooler" and not is_plain:
            raise ConfigError(
                "task.pooling is pooler, which was trained on the last layer as it is, and the "
                "readout is another. Set task.pooling to cls or mean."
            )
        if self.pooling != "auto":
            return self
        return replace(self, pooling="pooler" if is_plain else "mean")

    def check(
        self,
        config: TransformerConfig,
        examples: Sequence[Example],
        learned: Learned,
        *,
        trained: str = "The model was trained on",
    ) -> None:
        """Check that the encoder can take such examples; see :meth:`Task.check`."""
        super().check(config, examples, learned, trained=trained)
        if learned.pairs is not None:
            check_pairs(examples, learned.pairs, trained)
        if not any(example.text_b is not None for example in examples):
            return
        if config.type_vocab_size < 2:
            raise ConfigError("The model knows one segment type, so it cannot take pairs of texts.")
        if self.long_text == "windows":
            raise ConfigError("task.long_text windows is for single texts, and these are pairs.")

    @abstractmethod
    def targets(
        self, examples: Sequence[Example], learned: Learned, path: Path
    ) -> npt.NDArray[np.generic]:
        """Return what is to be said of each example, [examples] or [examples, labels].

        Raises:
            DataError: if a label was not there in training.
        """

    def encode(
        self,
        examples: Sequence[Example],
        tokenizer: Tokenizer,
        learned: Learned,
        *,
        path: Path | None = None,
    ) -> EncodedExamples:
        """Return the examples as ids; see :meth:`Task.encode`."""
        labels = None if path is None else self.targets(examples, learned, path)
        if self.long_text == "windows":
            return encode_windows(
                self.kind,
                [example.text_a for example in examples],
                tokenizer,
                max_length=self.max_length,
                stride=self.stride or (self.max_length - 1) // 2,
                most=self.max_windows,
                labels=labels,
            )
        return encode_examples(
            self.kind,
            examples,
            tokenizer,
            max_length=self.max_length,
            labels=labels,
            keep=self.long_text,
        )

    def their_architecture(self) -> dict[str, Any]:
        """Return the class of ``transformers`` that computes the same, and its dropout."""
        values: dict[str, Any] = {"classifier_dropout": self.dropout}
        if self.pooling == "pooler":
            # Their classifier always goes through the pooler; else only their bare encoder fits.
            values["architectures"] = ["BertForSequenceClassification"]
        return values


class TextHead(nn.Module):
    """One vector for each sequence, dropout, scores; of a long text its windows' pooled scores.

    Args:
        pooler: of the encoder.
        readout: what is read off the hidden states.
        task: its settings.
        width: how many scores.
    """

    rows_per = "sample"

    def __init__(self, pooler: nn.Module, readout: Readout, task: TextTask, width: int) -> None:
        super().__init__()
        self.pooling, self.window_pooling = task.pooling, task.window_pooling
        # Not registered here: the pooler belongs to the encoder and is saved with it.
        self._pooler = (pooler,)
        self.readout = readout
        self.dropout = nn.Dropout(task.dropout)
        self.output = nn.Linear(readout.output_size, width)

    def scores(self, hidden_states: list[Tensor], batch: Batch) -> Float[Tensor, "samples width"]:
        """Return the scores of each sample."""
        scores: Tensor = self.output(self.dropout(self._pool(hidden_states, batch)))
        if batch.sizes is None:
            return scores
        pooled: Tensor = torch.segment_reduce(
            scores.float(), self.window_pooling, lengths=batch.sizes, axis=0
        )
        return pooled

    def _pool(self, hidden_states: list[Tensor], batch: Batch) -> Tensor:
        if self.pooling == "pooler":
            pooled: Tensor = self._pooler[0](hidden_states[-1], batch)
            return pooled
        pool = first_of_sequence if self.pooling == "cls" else mean_of_sequence
        return pool(self.readout(hidden_states, batch), batch)
