"""Where gold answers stand among the tokens of their contexts, and what of that is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gloze.core.errors import DataError
from gloze.tasks.questions import find_answer, is_placed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gloze.tasks.questions import Gold, Question
    from gloze.tasks.span_windows import Contexts

# What becomes of a gold answer that does not stand where its file says: the file is refused, the
# nearest occurrence is taken, or the answer is not learned from.
Misplaced = Literal["error", "search", "skip"]
NO_ANSWER = (-1, -1)


@dataclass(frozen=True)
class AnswerPlaces:
    """Which answer of each question is learned, and how many could not be.

    Attributes:
        tokens: the first and the last token of the answer in its context, ``NO_ANSWER`` where
            there is none; None where its place is not known.
        answers: gold answers in all.
        misplaced: of them, those that do not stand where their file says.
        found: of these, those that stand somewhere else.
        first: the id of the question of the first misplaced one.
        left_out: the ids of the questions of which no answer's place is known.
    """

    tokens: list[tuple[int, int] | None]
    answers: int
    misplaced: int
    found: int
    first: str
    left_out: list[str]

    def notes(self, path: Path, how: Misplaced, max_tokens: int) -> list[str]:
        """Return a line for each thing that is wrong with the answers of a file.

        Args:
            path: of the file.
            how: misplaced answers were treated.
            max_tokens: of an answer that can be given.
        """
        lines = []
        if self.misplaced:
            elsewhere = "none of them stands elsewhere"
            if self.found:
                taken = "is taken" if how == "search" else "is not learned"
                elsewhere = f"of {self.found:,} the text stands elsewhere, and {taken} there"
            lines.append(
                f"{path}: {self.misplaced:,} of {self.answers:,} gold answers do not stand where "
                f"answer_start says (the first: question {self.first}); {elsewhere}."
            )
        if self.left_out:
            lines.append(
                f"{path}: {len(self.left_out):,} of {len(self.tokens):,} questions have no gold "
                f"answer whose place is known (the first: {self.left_out[0]}): left out of "
                "training and loss, judged by the texts of their answers."
            )
        sizes = [place[1] - place[0] + 1 for place in self.tokens if place not in (None, NO_ANSWER)]
        long = sum(size > max_tokens for size in sizes)
        if long:
            lines.append(
                f"{path}: {long:,} of {len(sizes):,} answers are longer than task.max_answer, "
                f"{max_tokens} tokens, so they cannot be given (the longest has {max(sizes)})."
            )
        return lines


def find_places(
    questions: Sequence[Question], contexts: Contexts, how: Misplaced, *, whole_words: bool
) -> AnswerPlaces:
    """Return where the answer to learn stands: the first gold answer whose place is known.

    Args:
        questions: with their gold answers.
        contexts: of these questions.
        how: to treat answers that do not stand where their file says.
        whole_words: whether an answer takes in the rest of the words it begins and ends in.
    """
    tokens: list[tuple[int, int] | None] = []
    wrong: list[str] = []
    moved = 0
    for number, question in enumerate(questions):
        answers = question.answers or ()
        off = [each for each in answers if not is_placed(question.context, each)]
        wrong += [question.id] * len(off)
        moved += sum(each.text in question.context for each in off)
        found = NO_ANSWER if not answers else None
        for answer in answers:
            found = found or _tokens(number, question, answer, contexts, how)
        if found not in (None, NO_ANSWER) and whole_words:
            found = _whole(number, found, contexts)
        tokens.append(found)
    return AnswerPlaces(
        tokens=tokens,
        answers=sum(len(question.answers or ()) for question in questions),
        misplaced=len(wrong),
        found=moved,
        first=wrong[0] if wrong else "",
        left_out=[q.id for q, found in zip(questions, tokens, strict=True) if found is None],
    )


def _tokens(
    number: int, question: Question, answer: Gold, contexts: Contexts, how: Misplaced
) -> tuple[int, int] | None:
    if how != "search" and not is_placed(question.context, answer):
        return None
    start = find_answer(question.context, answer)
    return None if start is None else contexts.tokens(number, start, start + len(answer.text))


def _whole(number: int, found: tuple[int, int], contexts: Contexts) -> tuple[int, int]:
    low = int(contexts.firsts[number])
    first, last = found
    return (
        int(contexts.word_firsts[low + first]) - low,
        int(contexts.word_lasts[low + last]) - low,
    )


def refuse_misplaced(questions: Sequence[Question], path: Path) -> None:
    """Check that every gold answer stands where its file says.

    Raises:
        DataError: naming the place of the first that does not.
    """
    for question in questions:
        for answer in question.answers or ():
            if not is_placed(question.context, answer):
                said = "is not given" if answer.start is None else f"says {answer.start}"
                raise DataError(
                    f"{question.place}: the answer {answer.text!r:.60} of question {question.id} "
                    f"does not stand where answer_start says; it {said}.",
                    path=path,
                    hint="Set task.misplaced=search to take the nearest occurrence, or skip to "
                    "learn from the other answers only.",
                )
