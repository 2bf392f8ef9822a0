"""The plug for downstream tasks: what a kind of labelled data must offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self

from gloze.core.errors import ConfigError, nearest
from gloze.core.lists import turned
from gloze.core.settings import Settings
from gloze.tasks.learned import Counted, E, Judged, Learned, their_labels
from gloze.tasks.writing import TableAnswers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    from torch import nn

    from gloze.core.contracts import Objective, Source
    from gloze.encoders.kinds import AnyEncoder, AnyEncoderConfig
    from gloze.nn.pooling import HeadPooling
    from gloze.nn.readout import Readout
    from gloze.tasks.encoded import EncodedExamples
    from gloze.tasks.reader import Reader
    from gloze.tasks.writing import AnswerWriter
    from gloze.tokenizers import Tokenizer


class Task(Settings, ABC, Generic[E]):
    """A kind of labelled data: reading, encoding, head, loss, decoding, figures.

    Subclasses are frozen dataclasses: their fields are the ``task`` block of a recipe, of which
    ``kind`` names the task.

    Attributes:
        kind: name of the task.
        max_length: tokens of a sequence with [CLS] and [SEP].
        long_text: what becomes of longer ones: their ``head`` is kept, or what a task has instead.
        metric: the figure by which seeds are compared; the higher the better.
    """

    kind: str
    max_length: int
    long_text: str = "head"
    metric: str
    # The layouts that `writer` can write, the first by default.
    WRITES: ClassVar[tuple[str, ...]] = ("table",)
    # What decides how answers are judged, and not which are given.
    MEASURE: ClassVar[tuple[str, ...]] = ("metric",)
    # Whether its inputs are pairs of texts, whatever was learned.
    OF_PAIRS: ClassVar[bool] = False
    # How many examples `predict` holds at once, if their texts are short.
    AT_ONCE: ClassVar[int] = 1 << 14

    @abstractmethod
    def reader(
        self, format: str | None = None, columns: str | dict[str, str] | None = None
    ) -> Reader[E]:
        """Return how files of this layout are read.

        Raises:
            ConfigError: for a layout or a column's role that this task does not know.
        """

    @abstractmethod
    def take(self, inputs: Sequence[Any]) -> list[E]:
        """Return examples made in Python: what ``predict`` is given.

        Raises:
            ConfigError: if they are not what this task answers.
        """

    def some_inputs(self, texts: Sequence[str], learned: Learned) -> list[Any]:
        """Return inputs of this task made of plain sentences, to try a model on."""
        if not (learned.pairs or self.OF_PAIRS):
            return list(texts)
        return list(zip(texts, turned(texts, 1), strict=True))

    @abstractmethod
    def resolve(self, *, is_plain: bool, metric: str | None = None) -> Self:
        """Return the settings with every ``auto`` decided.

        Args:
            is_plain: whether the head reads the last layer of an encoder that trains.
            metric: what the layout of the files is judged by.
        """

    def suited(self, pooled: HeadPooling | None) -> Self:
        """Return the settings as suit an encoder whose vectors were tuned through a pooling."""
        return self

    @abstractmethod
    def learn(self, examples: Sequence[E], path: Path) -> Learned:
        """Return what the examples to train on teach besides weights.

        Raises:
            ConfigError: if a setting does not fit them.
            DataError: if there is nothing to learn from them.
        """

    def check(
        self,
        config: AnyEncoderConfig,
        examples: Sequence[E],
        learned: Learned,
        *,
        trained: str = "The model was trained on",
    ) -> None:
        """Check that an encoder, and what was learned, can take such examples.

        Args:
            config: of the encoder.
            examples: to be encoded.
            learned: from the examples trained on.
            trained: how a message about the kind of those begins.

        Raises:
            ConfigError: for another kind than that trained on, or too few positions.
        """
        if self.max_length > config.max_position_embeddings:
            raise ConfigError(
                f"task.max_length is {self.max_length}, and the model has positions for "
                f"{config.max_position_embeddings} tokens. "
                f"Set task.max_length={config.max_position_embeddings} or less."
            )

    @abstractmethod
    def encode(
        self,
        examples: Sequence[E],
        tokenizer: Tokenizer,
        learned: Learned,
        *,
        path: Path | None = None,
    ) -> EncodedExamples:
        """Return the examples as ids, a sample or more for each, in their order.

        Args:
            examples: to encode.
            tokenizer: of the encoder.
            learned: from the examples trained on.
            path: of their file if their labels are wanted, for messages.

        Raises:
            DataError: if a label was not there in training.
        """

    def asked(self, encoded: EncodedExamples) -> Source:
        """Return what is trained on of encoded examples, by default all in every epoch."""
        return encoded

    @abstractmethod
    def build(
        self,
        encoder: AnyEncoder,
        readout: Readout,
        learned: Learned,
        initializer_range: float = 0.02,
    ) -> Objective:
        """Return the task as an objective, with a head of random weights.

        The head maps hidden states and batch to a :class:`gloze.core.contracts.Mark`; its
        ``scores`` gives a row for each sample, sequence, token or position asked about, as
        ``rows_per`` says.
        """

    @abstractmethod
    def answers(self, judged: Judged[E]) -> list[Any]:
        """Return the answer to each example."""

    @abstractmethod
    def figures(self, judged: Judged[E], path: Path) -> dict[str, Any]:
        """Return how good the answers to labelled examples are.

        Args:
            judged: with their labels.
            path: of their file, for messages.

        Returns:
            ``examples``, ``loss`` and figures by name, ``self.metric`` among them, as JSON can
            hold them; those of type float are worth a mean over seeds. ``note`` is a sentence
            that belongs to them, where there is need.

        Raises:
            DataError: if a label of the file was not there in training.
        """

    def judging_as(self, other: Self) -> Self:
        """Return the settings with those of another's that decide how answers are judged."""
        return replace(self, **{name: getattr(other, name) for name in self.MEASURE})  # type: ignore[type-var]

    def settle(self, head: nn.Module, learned: Learned) -> Learned:
        """Put a head in order once its training is over; return what is then known."""
        return learned

    @property
    def files(self) -> dict[str, Path]:
        """The files that its settings name, by setting."""
        return {}

    @property
    def is_tuned(self) -> bool:
        """Whether :meth:`tune` chooses anything, for which a dev file is needed."""
        return False

    def each(self, judged: Judged[E]) -> npt.NDArray[np.float64] | None:
        """Return the task's own figure of each example; None where it is not their mean."""
        return None

    def counted(self, judged: Judged[E], path: Path, metric: str) -> Counted | None:
        """Return what a figure is made of in each example; None where it is not of sums."""
        return None

    def tune(self, judged: Judged[E], path: Path) -> Learned:
        """Return what was learned with thresholds chosen on examples not trained on."""
        return judged.learned

    @abstractmethod
    def shown(self, learned: Learned) -> list[str]:
        """Return the names of the figures worth a column, the task's own first."""

    @abstractmethod
    def row(self, example: E, answer: Any) -> dict[str, Any]:
        """Return the columns that ``predict`` adds to those of the input."""

    def tally(self, answer: Any) -> Iterable[str]:
        """Return what is worth counting of an answer, such as its label."""
        return ()

    def writer(
        self, path: Path, layout: str | None = None, *, source: Path, force: bool = False
    ) -> AbstractContextManager[AnswerWriter]:
        """Return the writer of a file of answers, which appears when its block ends.

        Args:
            path: its name tells the kind of table.
            layout: one of ``WRITES``; the first if not given.
            source: the file of the examples, for messages.
            force: replace ``path`` if it exists.

        Raises:
            ConfigError: for a layout this task does not write, or a name that tells no kind.
        """
        self.check_layout(layout)
        return TableAnswers.open(path, self.row, source=source, force=force)

    def check_layout(self, layout: str | None) -> None:
        """Check that the task writes a layout of answers.

        Raises:
            ConfigError: if it does not.
        """
        if layout is not None and layout not in self.WRITES:
            raise ConfigError(
                f"--to {layout}: {nearest(layout, self.WRITES)}A {self.kind} run writes "
                f"{', '.join(self.WRITES)}."
            )

    def width(self, learned: Learned) -> int:
        """Return how many rows the weights of the head's output have."""
        return len(learned.labels)

    @abstractmethod
    def their_config(self, learned: Learned) -> dict[str, Any]:
        """Return what ``config.json`` says of the head for ``transformers``."""

    @classmethod
    def from_theirs(cls, values: dict[str, Any], max_length: int) -> tuple[Self, Learned]:
        """Return the task that a ``config.json`` written by ``transformers`` describes.

        Args:
            values: of the file.
            max_length: of the encoder.

        Raises:
            ValueError: saying why it cannot be used.
        """
        task = cls(max_length=max_length)  # type: ignore[call-arg]
        return task.resolve(is_plain=True), Learned(labels=their_labels(values))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name, without the kind."""
        return {name: value for name, value in asdict(self).items() if name != "kind"}  # type: ignore[call-overload]
