"""Questions and the windows of their contexts as ids: [CLS] question [SEP] window [SEP]."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gloze.core.batch import Bools, Ints, Samples
from gloze.core.errors import ConfigError
from gloze.core.ranges import places as places_in
from gloze.core.ranges import ranges
from gloze.data.windows import Windows, has_most_context, windows
from gloze.tasks.encoded import EncodedExamples
from gloze.tasks.encoding import Segments, lay_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.tasks.questions import Question
    from gloze.tokenizers import Tokenizer


@dataclass(frozen=True)
class Contexts:
    """The distinct texts that questions are about, as tokens laid end to end.

    Attributes:
        numbers: of each question's text, [questions].
        ids: [tokens].
        lengths: tokens of each text, [texts].
        offsets: first character of each token in its text and the one after its last,
            [tokens, 2].
        word_firsts: number of the first token of each token's word, [tokens].
        word_lasts: of the last.
    """

    numbers: Ints
    ids: npt.NDArray[np.int32]
    lengths: Ints
    offsets: Ints
    word_firsts: Ints
    word_lasts: Ints

    @classmethod
    def of(cls, questions: Sequence[Question], tokenizer: Tokenizer) -> Contexts:
        """Return the contexts of some questions, each encoded once."""
        numbers: dict[str, int] = {}
        own = [numbers.setdefault(each.context, len(numbers)) for each in questions]
        ids, lengths, offsets = tokenizer.encode_with_offsets(list(numbers))
        is_first = tokenizer.word_starts(ids, lengths)
        firsts = np.flatnonzero(is_first)
        lasts = np.append(firsts[1:], len(ids)) - 1
        word = np.cumsum(is_first) - 1
        return cls(np.array(own, dtype=np.int64), ids, lengths, offsets, firsts[word], lasts[word])

    @cached_property
    def firsts(self) -> Ints:
        """The first token of each question's text, [questions]."""
        return (np.cumsum(self.lengths) - self.lengths)[self.numbers]

    @cached_property
    def sizes(self) -> Ints:
        """Tokens of each question's text, [questions]."""
        return self.lengths[self.numbers]

    def tokens(self, question: int, start: int, end: int) -> tuple[int, int] | None:
        """Return the first and the last token that hold some characters of a question's text.

        They are counted from the first token of the text; None if no token holds any.
        """
        low = int(self.firsts[question])
        places = self.offsets[low : low + int(self.sizes[question])]
        first = int(np.searchsorted(places[:, 1], start, side="right"))
        last = int(np.searchsorted(places[:, 0], end, side="left")) - 1
        return (first, last) if first <= last else None


@dataclass(frozen=True, kw_only=True)
class EncodedQuestions(EncodedExamples):
    """Questions with windows of their contexts; each window is a sample of its own.

    Attributes:
        contexts: of the questions.
        question_lengths: tokens of each question as far as it is kept, [questions].
        cut: the windows, in the order of the samples; ``owner`` is the question.
        is_known: which windows can be learned from: those of questions whose answer's place is
            known, or that have none, [windows].
    """

    contexts: Contexts
    question_lengths: Ints
    cut: Windows
    is_known: Bools

    def counts(self) -> dict[str, int]:
        """Return how much there is; examples are questions, and cut ones too long questions."""
        return {**super().counts(), "examples": len(self.question_lengths)}

    def summary(self) -> dict[str, float]:
        """Return counts and true shares, for reports; with windows, and questions left out."""
        left_out = np.unique(self.cut.owner[~self.is_known])
        return {**super().summary(), "windows": len(self), "left_out": len(left_out)}

    def labels_of(self, places: Sequence[tuple[int, int] | None]) -> Ints:
        """Return first and last token of the answer in each window, [windows, 2].

        Args:
            places: as :func:`encode_questions` takes them.
        """
        return _labels(self.cut, self.question_lengths, places)

    def window_tokens(self) -> WindowTokens:
        """Return where the tokens of all contexts are, window after window."""
        owner, starts, lengths = self.cut
        return WindowTokens(
            rows=ranges(self.starts + self.question_lengths[owner] + 2, lengths),
            tokens=ranges(self.contexts.firsts[owner] + starts, lengths),
            is_best=has_most_context(self.contexts.sizes, self.cut),
            left=np.repeat(lengths, lengths) - places_in(lengths),
        )


class KnownWindows:
    """A source of the windows that can be learned from."""

    def __init__(self, encoded: EncodedQuestions) -> None:
        self.encoded, self.numbers = encoded, np.flatnonzero(encoded.is_known)

    def lengths(self, epoch: int) -> Ints:
        """Return the tokens of every such window, the same in each epoch, [samples]."""
        return self.encoded.all_lengths[self.numbers]

    def samples(self, epoch: int, indices: Ints) -> Samples:
        """Return these windows."""
        return replace(self.encoded.samples(epoch, self.numbers[indices]), indices=indices)


@dataclass(frozen=True)
class WindowTokens:
    """The context's tokens of all windows, end to end.

    Attributes:
        rows: which token of all sequences each is.
        tokens: which token of all contexts.
        is_best: whether no other window has more context around that token.
        left: tokens from here to the end of the window, this one counted in.
    """

    rows: Ints
    tokens: Ints
    is_best: Bools
    left: Ints


def encode_questions(
    name: str,
    questions: Sequence[Question],
    tokenizer: Tokenizer,
    *,
    max_length: int,
    stride: int,
    max_question: int,
    contexts: Contexts,
    places: Sequence[tuple[int, int] | None] | None = None,
) -> EncodedQuestions:
    """Lay questions out with every window of their contexts.

    Args:
        name: of the task.
        questions: to encode.
        tokenizer: of the encoder.
        max_length: tokens of a window with question, [CLS] and [SEP]s.
        stride: tokens from the start of one window to that of the next.
        max_question: tokens kept of a question.
        contexts: of these questions.
        places: the first and the last token of each question's answer in its context, (-1, -1)
            if it has none; None if that is not known. Left out if nothing is asked for.
    """
    ids, lengths = tokenizer.encode([each.question for each in questions])
    kept = np.minimum(lengths, max_question)
    cut = windows(contexts.sizes, max_length - 3 - kept, stride)
    owner = cut.owner
    question = Segments(
        ids,
        tokenizer.word_starts(ids, lengths),
        ranges((np.cumsum(lengths) - lengths)[owner], kept[owner]),
        kept[owner],
    )
    where = ranges(contexts.firsts[owner] + cut.starts, cut.lengths)
    is_first = contexts.word_firsts == np.arange(len(contexts.ids))
    laid = lay_out(
        name,
        tokenizer,
        question,
        Segments(contexts.ids, is_first, where, cut.lengths),
        labels=None if places is None else _labels(cut, kept, places),
        truncated=int(np.count_nonzero(kept < lengths)),
    )
    values: dict[str, Any] = {each.name: getattr(laid, each.name) for each in fields(laid)}
    is_known = np.ones(len(questions), dtype=bool)
    if places is not None:
        is_known = np.array([place is not None for place in places], dtype=bool)
    return EncodedQuestions(
        **values, contexts=contexts, question_lengths=kept, cut=cut, is_known=is_known[owner]
    )


def _labels(cut: Windows, kept: Ints, places: Sequence[tuple[int, int] | None]) -> Ints:
    """Return first and last token of the answer in each window, 0 (that is [CLS]) if not there.

    So run_squad.py has it, for SQuAD 1.1 too: a window is also to learn that it holds no answer.
    """
    found = np.array([place or (-1, -1) for place in places], dtype=np.int64).reshape(-1, 2)
    first, last = found[cut.owner].T
    is_in = (first >= cut.starts) & (last < cut.starts + cut.lengths)
    moved = (kept[cut.owner] + 2 - cut.starts) * is_in
    return np.stack([first * is_in + moved, last * is_in + moved], axis=1)


def check_room(max_length: int, max_question: int, stride: int) -> None:
    """Check that windows have room for the text, and leave none of it out.

    Raises:
        ConfigError: if they do not.
    """
    room = max_length - max_question - 3
    if room < 1:
        raise ConfigError(
            f"task.max_length is {max_length}: beside a question of up to "
            f"{max_question} tokens (task.max_question), [CLS] and two [SEP] it has no "
            f"room for the text. Set task.max_length to {max_question + 4} or more, or "
            "task.max_question lower."
        )
    if not 1 <= stride <= room:
        raise ConfigError(
            f"task.stride is {stride}; it must be from 1 to {room}, the tokens of the "
            "text that a window holds beside the longest question, or some would be in none."
        )
