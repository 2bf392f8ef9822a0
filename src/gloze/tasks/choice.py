"""Choice: one of several options for a text and a question about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import torch
from torch import Tensor

from gloze.core.contracts import Mark, Objective, keep_labels
from gloze.core.errors import ConfigError
from gloze.core.lists import turned
from gloze.metrics.choice import choice_figures
from gloze.nn.init import initialize
from gloze.nn.parts import cross_entropy_of_parts, softmax_of_parts
from gloze.tasks.choice_files import ChoiceReader, Question
from gloze.tasks.choice_layouts import choice_layout
from gloze.tasks.encoding import beginnings, joined, lay_out, longest_first
from gloze.tasks.learned import Judged, Learned
from gloze.tasks.sequences import SequenceHead, SequenceTask

if TYPE_CHECKING:
    import numpy.typing as npt

    from gloze.core.batch import Batch, Ints
    from gloze.encoders.kinds import AnyEncoder
    from gloze.nn.readout import Readout
    from gloze.tasks.encoded import EncodedExamples
    from gloze.tokenizers import Tokenizer

NAME: Final = "choice"


@dataclass(frozen=True)
class Chosen:
    """An answer.

    Attributes:
        option: the most probable one.
        number: of it, from 0.
        probabilities: of every option in their order; they add up to 1.
    """

    option: str
    number: int
    probabilities: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Choice(SequenceTask[Question]):
    """How options get a score, each in a sequence of its own (Devlin et al. 2019, 4.4).

    A sequence is [CLS] text [SEP] question option [SEP]. What is too long is cut from the text or
    the question, whichever is longer, and never from the option.

    Attributes:
        metric: accuracy.
    """

    kind: Literal["choice"] = NAME
    metric: Literal["accuracy"] = "accuracy"

    def reader(
        self, format: str | None = None, columns: str | dict[str, str] | None = None
    ) -> ChoiceReader:
        """Return how files of this layout are read; see :meth:`Task.reader`."""
        return ChoiceReader(choice_layout(format, columns))

    def take(self, inputs: Sequence[Any]) -> list[Question]:
        """Return questions of (text, options) or (text, question, options)."""
        if isinstance(inputs, str):
            raise ConfigError("predict takes a list of questions; put the question into a list.")
        return [_as_question(asked) for asked in inputs]

    def some_inputs(self, texts: Sequence[str], learned: Learned) -> list[Any]:
        """Return each sentence with the two after it as options; see :meth:`Task.some_inputs`."""
        options = zip(turned(texts, 1), turned(texts, 2), strict=True)
        return list(zip(texts, options, strict=True))

    def learn(self, examples: Sequence[Question], path: Path) -> Learned:
        """Return nothing: options bring their own texts."""
        return Learned()

    def encode(
        self,
        examples: Sequence[Question],
        tokenizer: Tokenizer,
        learned: Learned,
        *,
        path: Path | None = None,
    ) -> EncodedExamples:
        """Return the questions as ids, a sequence for each option; see :meth:`Task.encode`."""
        texts, text_lengths = tokenizer.encode([example.context for example in examples])
        asked, asked_lengths = tokenizer.encode([example.question or "" for example in examples])
        options, option_lengths = tokenizer.encode([o for e in examples for o in e.options])
        sizes = np.array([len(example.options) for example in examples], dtype=np.int64)
        owner = np.repeat(np.arange(len(examples)), sizes)
        room = self.max_length - 3
        option_kept = np.minimum(option_lengths, room - 1)
        text_kept, asked_kept = longest_first(
            text_lengths[owner], asked_lengths[owner], room - option_kept
        )
        first = beginnings(tokenizer, texts, text_lengths, owner, text_kept)
        second = joined(
            beginnings(tokenizer, asked, asked_lengths, owner, asked_kept),
            beginnings(tokenizer, options, option_lengths, np.arange(len(owner)), option_kept),
        )
        is_cut = (text_kept < text_lengths[owner]) | (asked_kept < asked_lengths[owner])
        is_cut |= option_kept < option_lengths
        gold = None if path is None else gold_numbers(examples)
        encoded = lay_out(NAME, tokenizer, first, second, truncated=len(np.unique(owner[is_cut])))
        return replace(encoded, sizes=sizes, labels=gold)

    def build(
        self,
        encoder: AnyEncoder,
        readout: Readout,
        learned: Learned,
        initializer_range: float = 0.02,
    ) -> Objective:
        """Return the task as an objective, with a head of random weights."""
        head = ChoiceHead(encoder, readout, self, 1)
        initialize(head.output, initializer_range)
        return Objective(NAME, 1.0, keep_labels, head)

    def answers(self, judged: Judged[Question]) -> list[Chosen]:
        """Return the most probable option of each question, and the probability of each."""
        answers = []
        for example, shares in zip(judged.examples, _shares(judged), strict=True):
            best = int(shares.argmax())
            answers.append(Chosen(example.options[best], best, tuple(shares.tolist())))
        return answers

    def figures(self, judged: Judged[Question], path: Path) -> dict[str, Any]:
        """Return the accuracy, also by number of options; see :meth:`Task.figures`."""
        gold, shares = gold_numbers(judged.examples), _shares(judged)
        right = np.array([row[number] for row, number in zip(shares, gold, strict=True)])
        found = choice_figures(
            gold,
            np.array([row.argmax() for row in shares]),
            np.array([len(row) for row in shares]),
        )
        return {**found, "loss": float(-np.log(np.maximum(right, 1e-45)).mean())}

    def shown(self, learned: Learned) -> list[str]:
        """Return the accuracy, and that of guessing."""
        return ["accuracy", "guessing"]

    def row(self, example: Question, answer: Chosen) -> dict[str, Any]:
        """Return the columns ``predicted_option``, its number from 0, and ``probabilities``."""
        return {
            "predicted_option": answer.option,
            "predicted_number": answer.number,
            "probabilities": list(answer.probabilities),
        }

    def tally(self, answer: Chosen) -> Iterable[str]:
        """Return the number of the option."""
        return (f"option {answer.number}",)

    def width(self, learned: Learned) -> int:
        """Return 1."""
        return 1

    def their_config(self, learned: Learned) -> dict[str, Any]:
        """Return the head as ``transformers`` names it."""
        return self.their_architecture("BertForMultipleChoice")

    @classmethod
    def from_theirs(cls, values: dict[str, Any], max_length: int) -> tuple[Choice, Learned]:
        """Return the task that a ``config.json`` of theirs describes; it has no labels."""
        return cls(max_length=max_length).resolve(is_plain=True), Learned()


def gold_numbers(examples: Sequence[Question]) -> Ints:
    """Return the number of each question's right option, [examples]."""
    return np.array([-1 if e.gold is None else e.gold for e in examples], dtype=np.int64)


def _shares(judged: Judged[Question]) -> list[npt.NDArray[np.float64]]:
    """Return the probabilities of each question's options."""
    sizes = [len(example.options) for example in judged.examples]
    scores = torch.from_numpy(judged.rows[:, 0].astype(np.float64))
    shares = softmax_of_parts(scores, torch.tensor(sizes)).numpy()
    return np.split(shares, np.cumsum(sizes)[:-1])


def _as_question(asked: Any) -> Question:
    parts = list(asked) if isinstance(asked, list | tuple) else []
    options = parts.pop() if len(parts) in (2, 3) else None
    texts = [*parts, *options] if isinstance(options, list | tuple) else []
    if len(texts) < len(parts) + 2 or not all(isinstance(text, str) for text in texts):
        raise ConfigError(
            "predict takes questions like (text, [option, option]) or (text, question, [option, "
            f"option]), not {asked!r:.80}."
        )
    return Question(parts[0], tuple(options or ()), parts[1] if len(parts) > 1 else None)


class ChoiceHead(SequenceHead):
    """One score for each option, and a softmax of those of a question."""

    rows_per = "sequence"

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the summed loss and the number of right answers."""
        assert batch.sizes is not None
        scores = self.scores(hidden_states, batch)[:, 0].float()
        return Mark(*cross_entropy_of_parts(scores, batch.sizes, batch.labels[NAME]))
