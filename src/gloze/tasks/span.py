"""Extractive question answering: the answer is a span of a given text, or there is none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from gloze.core.contracts import Objective, keep_labels
from gloze.core.errors import ConfigError, DataError
from gloze.core.progress import say
from gloze.core.settings import check_rate
from gloze.metrics.span import (
    Scoring,
    best_threshold,
    between_scores,
    scores_of,
    scoring_of,
    span_figures,
)
from gloze.nn.init import initialize
from gloze.tasks.learned import Judged, Learned
from gloze.tasks.question_tables import QuestionReader, find_reader
from gloze.tasks.questions import Question, as_questions
from gloze.tasks.span_answers import Decoding, SpanAnswer, decode
from gloze.tasks.span_head import NAME, SpanHead, span_loss
from gloze.tasks.span_places import AnswerPlaces, Misplaced, find_places, refuse_misplaced
from gloze.tasks.span_windows import (
    Contexts,
    EncodedQuestions,
    KnownWindows,
    check_room,
    encode_questions,
)
from gloze.tasks.squad_answers import SquadAnswers
from gloze.tasks.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from gloze.core.contracts import Source
    from gloze.encoders.kinds import AnyEncoder, AnyEncoderConfig
    from gloze.nn.readout import Readout
    from gloze.tasks.encoded import EncodedExamples
    from gloze.tasks.writing import AnswerWriter
    from gloze.tokenizers import Tokenizer

_THRESHOLD = "null_threshold"


@dataclass(frozen=True, kw_only=True)
class Span(Task[Question]):
    """How contexts are cut into windows, and answers out of contexts.

    The defaults are those of the paper's own script for SQuAD (Devlin et al. 2019, 4.2, released
    run_squad.py).

    Attributes:
        max_length: tokens of a window with its question, [CLS] and [SEP]s.
        stride: tokens from the start of one window to that of the next.
        max_question: tokens of a question; longer ones are cut and counted.
        max_answer: most tokens of an answer.
        n_best: how many candidates are kept of each question.
        whole_words: whether answers begin and end where words do; a Chinese character is a word.
        misplaced: gold answers that do not stand where their file says: ``error`` refuses the
            file, ``search`` takes the nearest occurrence, ``skip`` does not learn from them.
            Figures go by the texts of all gold answers in any case.
        dropout: before the scores.
        scoring: by which script's rules answers are judged: ``squad`` (1.1), ``squad_v2`` or
            ``cmrc``; ``auto`` is ``squad_v2`` for a file of which some questions have no answer,
            ``cmrc`` for Chinese answers, else ``squad``.
        metric: by which seeds are compared; ``auto`` is F1.
    """

    WRITES: ClassVar[tuple[str, ...]] = ("table", "squad")
    OF_PAIRS: ClassVar[bool] = True
    MEASURE: ClassVar[tuple[str, ...]] = ("metric", "scoring")
    long_text = "windows"

    kind: Literal["span"] = NAME
    max_length: int = 384
    stride: int = 128
    max_question: int = 64
    max_answer: int = 30
    n_best: int = 20
    whole_words: bool = True
    misplaced: Misplaced = "search"
    dropout: float = 0.0
    scoring: Literal["auto", "squad", "squad_v2", "cmrc"] = "auto"
    metric: Literal["auto", "f1", "exact"] = "auto"

    def __post_init__(self) -> None:
        for name in ("max_question", "max_answer", "n_best"):
            if getattr(self, name) < 1:
                raise ConfigError(f"task.{name} is {getattr(self, name)}; it must be at least 1.")
        check_rate("task.dropout", self.dropout)
        check_room(self.max_length, self.max_question, self.stride)

    def reader(
        self, format: str | None = None, columns: str | dict[str, str] | None = None
    ) -> QuestionReader:
        """Return how files of this layout are read; see :meth:`Task.reader`."""
        return find_reader(format, columns)

    def take(self, inputs: Sequence[Any]) -> list[Question]:
        """Return questions made of pairs: the question, and the text to answer it from."""
        return as_questions(inputs)

    def resolve(self, *, is_plain: bool, metric: str | None = None) -> Span:
        """Return the settings with every ``auto`` decided but the scoring, which is a file's."""
        return replace(self, metric="f1") if self.metric == "auto" else self

    def learn(self, examples: Sequence[Question], path: Path) -> Learned:
        """Return whether questions may have no answer; see :meth:`Task.learn`."""
        if self.misplaced == "error":
            refuse_misplaced(examples, path)
        without = sum(not example.answers for example in examples)
        if without == len(examples):
            raise DataError("no question has an answer, so there is nothing to learn.", path=path)
        if not without:
            return Learned()
        say(f"{path}: {without:,} of {len(examples):,} questions have no answer in their context.")
        return Learned().with_values(**{_THRESHOLD: 0.0})

    def check(
        self,
        config: AnyEncoderConfig,
        examples: Sequence[Question],
        learned: Learned,
        *,
        trained: str = "The model was trained on",
    ) -> None:
        """Check that the encoder can take pairs of texts; see :meth:`Task.check`."""
        most = config.max_position_embeddings
        if self.max_length > most:
            question, stride = _fitting(most)
            raise ConfigError(
                f"task.max_length is {self.max_length}, and the model has positions for {most} "
                f"tokens. Set task.max_length={most}, task.max_question={question} and "
                f"task.stride={stride}, or less."
            )
        super().check(config, examples, learned, trained=trained)
        config.check_pairs()

    def encode(
        self,
        examples: Sequence[Question],
        tokenizer: Tokenizer,
        learned: Learned,
        *,
        path: Path | None = None,
    ) -> EncodedQuestions:
        """Return each window of each context as a sample; see :meth:`Task.encode`."""
        contexts = Contexts.of(examples, tokenizer)
        places = None
        if path is not None:
            places = self._places(examples, contexts)
            for note in places.notes(path, self.misplaced, self.max_answer):
                say(note)
        return encode_questions(
            NAME,
            examples,
            tokenizer,
            max_length=self.max_length,
            stride=self.stride,
            max_question=self.max_question,
            contexts=contexts,
            places=None if places is None else places.tokens,
        )

    def asked(self, encoded: EncodedExamples) -> Source:
        """Return the windows of questions whose answer's place is known; see :meth:`Task.asked`."""
        assert isinstance(encoded, EncodedQuestions)
        return KnownWindows(encoded)

    def _places(self, examples: Sequence[Question], contexts: Contexts) -> AnswerPlaces:
        return find_places(examples, contexts, self.misplaced, whole_words=self.whole_words)

    def build(
        self,
        encoder: AnyEncoder,
        readout: Readout,
        learned: Learned,
        initializer_range: float = 0.02,
    ) -> Objective:
        """Return the task as an objective, with a head of random weights."""
        head = SpanHead(readout, self.dropout)
        initialize(head.output, initializer_range)
        return Objective(NAME, 1.0, keep_labels, head)

    def answers(self, judged: Judged[Question]) -> list[SpanAnswer]:
        """Return the best span of each question's context, or that there is none."""
        contexts = [example.context for example in judged.examples]
        how = Decoding(
            max_tokens=self.max_answer,
            n_best=self.n_best,
            whole_words=self.whole_words,
            null_threshold=judged.learned.values.get(_THRESHOLD),
        )
        return list(decode(contexts, _encoded(judged), judged.rows, how))

    def figures(self, judged: Judged[Question], path: Path) -> dict[str, Any]:
        """Return exact match and F1 as the official scripts count; see :meth:`Task.figures`."""
        gold, scoring = self._gold(judged)
        answers = self.answers(judged)
        places = self._places(judged.examples, _encoded(judged).contexts)
        odds = [answer.null_odds for answer in answers if answer.null_odds is not None]
        figures = span_figures(
            gold,
            {i: answer.best_text for i, answer in zip(gold, answers, strict=True)},
            scoring=scoring,
            null_scores=dict(zip(gold, odds, strict=True)) if odds else None,
            null_threshold=judged.learned.values.get(_THRESHOLD),
        )
        kept = {name: figures[name] for name in figures if name not in ("missing", "unasked")}
        return {
            **kept,
            "loss": span_loss(_encoded(judged), judged.rows, places.tokens),
            "scoring": scoring,
            "misplaced": places.misplaced,
        }

    def _gold(self, judged: Judged[Question]) -> tuple[dict[str, list[str]], Scoring]:
        gold = {
            example.id: [answer.text for answer in example.answers or ()]
            for example in judged.examples
        }
        return gold, scoring_of(gold) if self.scoring == "auto" else self.scoring

    def each(self, judged: Judged[Question]) -> npt.NDArray[np.float64]:
        """Return exact match or F1 of each question; see :meth:`Task.each`."""
        gold, scoring = self._gold(judged)
        texts = [answer.text for answer in self.answers(judged)]
        return self._own(scores_of(gold, dict(zip(gold, texts, strict=True)), scoring))

    def _own(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return scores[:, 0 if self.metric == "exact" else 1]

    def tune(self, judged: Judged[Question], path: Path) -> Learned:
        """Return what was learned with the best threshold for no answer; see :meth:`Task.tune`."""
        gold, scoring = self._gold(judged)
        if _THRESHOLD not in judged.learned.values or all(gold.values()):
            return judged.learned
        answers = dict(zip(gold, self.answers(judged), strict=True))
        odds = {i: answer.null_odds or 0.0 for i, answer in answers.items()}
        texts = {i: answer.best_text for i, answer in answers.items()}
        scores = self._own(scores_of(gold, texts, scoring))
        _, threshold = best_threshold(odds, gold, texts, scores)
        return judged.learned.with_values(**{_THRESHOLD: between_scores(odds.values(), threshold)})

    def shown(self, learned: Learned) -> list[str]:
        """Return the task's own metric, and the other."""
        return ["exact", "f1"] if self.metric == "exact" else ["f1", "exact"]

    def row(self, example: Question, answer: SpanAnswer) -> dict[str, Any]:
        """Return the answer, its place and its probability, under ``predicted_``."""
        return answer.columns()

    def tally(self, answer: SpanAnswer) -> Iterable[str]:
        """Return whether there is an answer."""
        return ("answered" if answer.start is not None else "no answer",)

    def writer(
        self, path: Path, layout: str | None = None, *, source: Path, force: bool = False
    ) -> AbstractContextManager[AnswerWriter]:
        """Return the writer of a table, or of SQuAD's predictions if ``path`` ends in .json."""
        if layout == "squad" or (layout is None and path.suffix.lower() == ".json"):
            return SquadAnswers.open(path, force=force)
        return super().writer(path, layout, source=source, force=force)

    def width(self, learned: Learned) -> int:
        """Return 2: a score as a start and one as an end."""
        return 2

    def their_config(self, learned: Learned) -> dict[str, Any]:
        """Return the class of ``transformers`` that computes the same."""
        return {"architectures": ["BertForQuestionAnswering"]}

    @classmethod
    def from_theirs(cls, values: dict[str, Any], max_length: int) -> tuple[Span, Learned]:
        """Return the task of a model that ``transformers`` saved: it always gives an answer."""
        length = min(cls.max_length, max_length)
        question, stride = _fitting(length)
        task = cls(max_length=length, max_question=question, stride=stride)
        return task.resolve(is_plain=True), Learned()


def _fitting(max_length: int) -> tuple[int, int]:
    """Return for how many tokens of a question, and with which stride, such windows have room."""
    question = min(Span.max_question, max_length // 4)
    return question, min(Span.stride, (max_length - question - 2) // 2)


def _encoded(judged: Judged[Question]) -> EncodedQuestions:
    assert isinstance(judged.encoded, EncodedQuestions)
    return judged.encoded
