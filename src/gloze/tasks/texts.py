"""Tasks that judge a text, or a pair of texts, as a whole: what they share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from gloze.core.batch import Batch
from gloze.core.errors import ConfigError
from gloze.core.settings import refuse_idle
from gloze.tasks.encoding import encode_both_orders, encode_examples, encode_windows
from gloze.tasks.examples import Example, TableReader, as_examples, check_pairs
from gloze.tasks.formats import find_format
from gloze.tasks.sequences import SequenceHead, SequenceTask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from gloze.encoders.kinds import AnyEncoder, AnyEncoderConfig
    from gloze.nn.readout import Readout
    from gloze.tasks.encoded import EncodedExamples
    from gloze.tasks.learned import Learned
    from gloze.tokenizers import Tokenizer


@dataclass(frozen=True, kw_only=True)
class TextTask(SequenceTask[Example]):
    """A task whose examples are texts or pairs of texts, each with one vector.

    Attributes:
        long_text: what becomes of longer ones: ``head`` keeps the beginning, ``head_tail`` the
            beginning and the end (Sun et al. 2019, 5.3.1), ``windows`` judges overlapping
            windows of a single text and pools their scores.
        stride: tokens from the start of one window to that of the next; half a window if not set.
        max_windows: of a text; what is past them is cut.
        window_pooling: of the windows' scores.
        both_orders: of pairs whose order says nothing: each is read both ways round, and the two
            vectors are added before the scores (Radford et al. 2018, 3.3).
    """

    long_text: Literal["head", "head_tail", "windows"] = "head"
    stride: int | None = None
    max_windows: int = 16
    window_pooling: Literal["mean", "max"] = "mean"
    both_orders: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_windows < 1:
            raise ConfigError(f"task.max_windows is {self.max_windows}; it must be at least 1.")
        if self.stride is not None and not 1 <= self.stride <= self.max_length - 2:
            raise ConfigError(
                f"task.stride is {self.stride}; it must be from 1 to {self.max_length - 2}, the "
                "tokens of a window, or some would be in none."
            )
        if self.long_text != "windows":
            names = ("stride", "max_windows", "window_pooling")
            refuse_idle("task", self, names, "set task.long_text=windows.")

    def reader(
        self, format: str | None = None, columns: str | dict[str, str] | None = None
    ) -> TableReader:
        """Return how files of this layout are read; see :meth:`Task.reader`."""
        return TableReader(find_format(format, columns))

    def take(self, inputs: Sequence[Any]) -> list[Example]:
        """Return examples of texts, or of pairs of texts."""
        return as_examples(inputs)

    def check(
        self,
        config: AnyEncoderConfig,
        examples: Sequence[Example],
        learned: Learned,
        *,
        trained: str = "The model was trained on",
    ) -> None:
        """Check that the encoder can take such examples; see :meth:`Task.check`."""
        super().check(config, examples, learned, trained=trained)
        if learned.pairs is not None:
            check_pairs(examples, learned.pairs, trained)
        if self.long_text == "windows" and self.has_pairs(examples):
            raise ConfigError("task.long_text windows is for single texts, and these are pairs.")
        if self.both_orders and not all(example.text_b is not None for example in examples):
            raise ConfigError("task.both_orders is for pairs of texts, and these are single texts.")

    def has_pairs(self, examples: Sequence[Example]) -> bool:
        """Return whether any example is a pair of texts."""
        return any(example.text_b is not None for example in examples)

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
        encode = encode_both_orders if self.both_orders else encode_examples
        return encode(
            self.kind,
            examples,
            tokenizer,
            max_length=self.max_length,
            labels=labels,
            keep=self.long_text,
        )

    def their_architecture(self, name: str) -> dict[str, Any]:
        """Return the class of ``transformers`` that computes the same: none reads both orders."""
        values = super().their_architecture(name)
        if self.both_orders:
            values.pop("architectures", None)
        return values


class TextHead(SequenceHead):
    """Scores of each text; those of a long one are its windows', pooled.

    Of a pair that is read both ways round they are those of both vectors added.
    """

    rows_per = "sample"

    def __init__(self, encoder: AnyEncoder, readout: Readout, task: TextTask, width: int) -> None:
        super().__init__(encoder, readout, task, width)
        self.window_pooling, self.both_orders = task.window_pooling, task.both_orders

    def scores(self, hidden_states: list[Tensor], batch: Batch) -> Float[Tensor, "rows width"]:
        """Return the scores of each sample."""
        scores = super().scores(hidden_states, batch)
        if batch.sizes is None or self.both_orders:
            return scores
        pooled: Tensor = torch.segment_reduce(
            scores.float(), self.window_pooling, lengths=batch.sizes, axis=0
        )
        return pooled

    def _pool(self, hidden_states: list[Tensor], batch: Batch) -> Tensor:
        vectors = super()._pool(hidden_states, batch)
        return vectors[0::2] + vectors[1::2] if self.both_orders else vectors
