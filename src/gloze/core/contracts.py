"""The plugs: what an encoder, an objective and a source of samples must offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import numpy.typing as npt

    from gloze.core.batch import Batch, Ints, Samples, Step


@dataclass(frozen=True)
class Mark:
    """What a head says of its answers, as sums: only the loop divides.

    Attributes:
        loss: summed over the labels, scalar.
        correct: number of labels whose best-scored answer was right, scalar.
    """

    loss: Tensor
    correct: Tensor


@dataclass(frozen=True)
class Objective:
    """A question and its mark: ``label`` asks it of samples, ``head`` scores the answers.

    ``label`` runs in data workers and is a pure function of the samples and their keys; it may
    disguise the input. ``head`` maps hidden states and batch to a :class:`Mark` summed over the
    labels, so splitting a step over micro-batches or processes changes nothing.
    """

    name: str
    weight: float
    label: Callable[[Samples], Samples]
    head: nn.Module


def keep_labels(samples: Samples) -> Samples:
    """Return the samples as they are: the ``label`` of a question that their source answers."""
    return samples


class EncoderSettings(Protocol):
    """What all encoders' settings say."""

    @property
    def direction(self) -> str:
        """What a token may look at."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Ids to hidden states: what objectives and tasks are built on.

    Attributes:
        output_size: numbers in each hidden state.
        vocab_size: tokens that it knows.
        gradient_checkpointing: set to keep for the gradient the inputs of layers alone.
    """

    output_size: int
    vocab_size: int
    gradient_checkpointing: bool

    @property
    def config(self) -> EncoderSettings:
        """Its settings."""
        ...

    @property
    def state_sizes(self) -> list[int]:
        """Numbers in each hidden state that a call returns, the embeddings first."""
        ...

    @property
    def stages(self) -> list[nn.Module]:
        """The parts one after the other, from the input up; without the pooler."""
        ...

    def __call__(self, batch: Batch) -> list[Tensor]:
        """Return the hidden states, the last [tokens, output_size]; index 0 is the embeddings."""
        ...


@runtime_checkable
class TableEncoder(Encoder, Protocol):
    """An encoder that may have a table of token vectors, which others can fill or share."""

    @property
    def token_embeddings(self) -> nn.Embedding:
        """The table; a ConfigError if there is none."""
        ...


@runtime_checkable
class BertEncoder(TableEncoder, Protocol):
    """What the heads of BERT are made like and read besides.

    Attributes:
        layer_norm_eps: added to variances, here and in heads that are made like its layers.
    """

    layer_norm_eps: float

    @property
    def gelu(self) -> Literal["none", "tanh"]:
        """How GELU is computed: by the error function, or by tanh."""
        ...

    @property
    def pooler(self) -> nn.Module:
        """Hidden states and batch to one vector for each sequence."""
        ...


class Source(Protocol):
    """Samples by number: a corpus through a sampler, or the labelled examples of a task."""

    def lengths(self, epoch: int) -> npt.NDArray[np.integer]:
        """Return the tokens of every sample of ``epoch``, [samples]."""
        ...

    def samples(self, epoch: int, indices: Ints) -> Samples:
        """Return these samples of ``epoch``, a pure function of the arguments."""
        ...


class StepStream(Protocol):
    """The endless stream of steps that a training loop reads."""

    def num_steps(self, epoch: int) -> int:
        """Return how many steps ``epoch`` has."""
        ...

    def read(self, epoch: int = 0, number: int = 0) -> Iterator[Step]:
        """Return the steps from this one on, epoch after epoch."""
        ...

    def read_epoch(self, epoch: int = 0) -> Iterator[Step]:
        """Return the steps of one epoch."""
        ...
