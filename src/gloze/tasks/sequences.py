"""Tasks with one vector for each sequence: how it is read off the encoder, and scored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from jaxtyping import Float
from torch import Tensor, nn

from gloze.core.batch import Batch
from gloze.core.errors import ConfigError
from gloze.core.settings import check_rate
from gloze.nn.pooling import pool
from gloze.tasks.learned import E, Learned
from gloze.tasks.task import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.encoders.kinds import AnyEncoder, AnyEncoderConfig
    from gloze.nn.pooling import HeadPooling
    from gloze.nn.readout import Readout

SequencePooling = Literal["auto", "pooler", "cls", "mean", "max", "last", "concat"]


@dataclass(frozen=True, kw_only=True)
class SequenceTask(Task[E]):
    """A task whose sequences have one vector each.

    Attributes:
        max_length: tokens of a sequence with [CLS] and [SEP].
        pooling: ``pooler`` is BERT's dense layer with tanh on [CLS] (Devlin et al. 2019, 4.1),
            ``cls`` the state of [CLS] itself, ``mean`` the mean over the tokens, ``max`` the
            largest of each number, as is usual over a BiLSTM (Conneau et al. 2017), ``last`` the
            state that has read the whole sequence (Radford et al. 2018, 3.2), ``concat`` that,
            the largest and the mean (Howard and Ruder 2018, 3.3); ``auto`` is ``pooler`` if the
            last layer of an encoder that trains is read, else ``mean``. Of an encoder tuned to
            vectors of texts it is what they were tuned through: its pooler was not in use there.
            Of one that reads one way it is ``last``, of LSTMs ``concat``.
        dropout: before the scores.
    """

    max_length: int = 128
    pooling: SequencePooling = "auto"
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.max_length < 5:
            raise ConfigError(f"task.max_length is {self.max_length}; it must be at least 5.")
        check_rate("task.dropout", self.dropout)

    def resolve(self, *, is_plain: bool, metric: str | None = None) -> Self:
        """Return the settings with every ``auto`` decided; see :meth:`Task.resolve`."""
        if self.pooling == "pooler" and not is_plain:
            raise ConfigError(
                "task.pooling is pooler, which was trained on the last layer as it is, and the "
                "readout, or the encoder, is another. Set task.pooling to cls, mean or last."
            )
        if self.pooling != "auto":
            return self
        return replace(self, pooling="pooler" if is_plain else "mean")

    def suited(self, pooled: HeadPooling | None) -> Self:
        """Return the settings with the encoder's own pooling; see :meth:`Task.suited`."""
        if self.pooling != "auto" or pooled is None:
            return self
        return replace(self, pooling="mean" if pooled == "max" else pooled)

    def check(
        self,
        config: AnyEncoderConfig,
        examples: Sequence[E],
        learned: Learned,
        *,
        trained: str = "The model was trained on",
    ) -> None:
        """Check that the encoder can take such examples; see :meth:`Task.check`."""
        super().check(config, examples, learned, trained=trained)
        if self.has_pairs(examples):
            config.check_pairs()

    def has_pairs(self, examples: Sequence[E]) -> bool:
        """Return whether any sequence is of two texts; by default all are."""
        return True

    def their_architecture(self, name: str) -> dict[str, Any]:
        """Return the class of ``transformers`` that computes the same, and its dropout."""
        values: dict[str, Any] = {"classifier_dropout": self.dropout}
        if self.pooling == "pooler":
            # Their heads always go through the pooler; else only their bare encoder fits.
            values["architectures"] = [name]
        return values


class SequenceHead(nn.Module):
    """One vector for each sequence, dropout, scores.

    Args:
        encoder: whose pooler it may read through.
        readout: what is read off the hidden states.
        task: its settings.
        width: how many scores.
    """

    def __init__(
        self, encoder: AnyEncoder, readout: Readout, task: SequenceTask[Any], width: int
    ) -> None:
        super().__init__()
        self.pooling = task.pooling
        # Not registered here: the pooler belongs to the encoder and is saved with it.
        self._pooler = (encoder.pooler,)
        self.readout = readout
        self.dropout = nn.Dropout(task.dropout)
        parts = 3 if task.pooling == "concat" else 1
        self.output = nn.Linear(parts * readout.output_size, width)

    def scores(self, hidden_states: list[Tensor], batch: Batch) -> Float[Tensor, "rows width"]:
        """Return the scores of each sequence."""
        scores: Tensor = self.output(self.dropout(self._pool(hidden_states, batch)))
        return scores

    def _pool(self, hidden_states: list[Tensor], batch: Batch) -> Tensor:
        if self.pooling == "pooler":
            pooled: Tensor = self._pooler[0](hidden_states[-1], batch)
            return pooled
        features = self.readout(hidden_states, batch)
        return pool(features, batch, cast("HeadPooling", self.pooling), self.readout.ways)
