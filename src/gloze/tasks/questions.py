"""Questions about a text, with the answers that stand in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gloze.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

# A text that long is a book: each question about it would be some thousand windows.
MAX_CONTEXT_CHARACTERS = 200_000


@dataclass(frozen=True)
class Gold:
    """An answer that a person gave.

    Attributes:
        text: of the answer.
        start: its first character in the context, as the file says; None if it does not.
    """

    text: str
    start: int | None = None


@dataclass(frozen=True)
class Question:
    """A question, the text to answer it from, and the gold answers if they are known.

    Attributes:
        question: its text.
        context: the text that holds the answer.
        id: no two questions of a file have the same.
        answers: none if the text does not answer the question; None if that is not known.
        row: everything in the row of its file, by column; None if it was not asked for.
        line: of its file, from 1; 0 if the file has no lines of its own for it.
        place: in the file, for messages.
    """

    question: str
    context: str
    id: str = ""
    answers: tuple[Gold, ...] | None = None
    row: dict[str, Any] | None = None
    line: int = 0
    place: str = ""


def check_context(context: str) -> str | None:
    """Return what is wrong with a text to answer from; None if nothing is."""
    if len(context) <= MAX_CONTEXT_CHARACTERS:
        return None
    return (
        f"the context has {len(context):,} characters, of which at most "
        f"{MAX_CONTEXT_CHARACTERS:,} can be searched. Cut it into passages."
    )


def as_questions(inputs: Sequence[Any]) -> list[Question]:
    """Return questions made of pairs: the question, and the text to answer it from.

    Raises:
        ConfigError: at the first that is no such pair, or whose text is too long.
    """
    found = []
    for each in inputs:
        is_pair = isinstance(each, list | tuple) and len(each) == 2
        if not is_pair or not all(isinstance(part, str) and part.strip() for part in each):
            raise ConfigError(
                "predict takes pairs of a question and the text to answer it from, neither of them "
                f"empty, not {each!r:.80}."
            )
        if wrong := check_context(each[1]):
            raise ConfigError(f"Question {each[0]!r:.60}: {wrong}")
        found.append(Question(*each))
    return found


def check_answers(answers: tuple[Gold, ...], is_impossible: bool | None) -> str | None:
    """Return what is wrong with gold answers and the flag that there is none; None if nothing is.

    Args:
        answers: to a question.
        is_impossible: what the file says; None if it says nothing.
    """
    if is_impossible and answers:
        return f"is_impossible is true, and there is a gold answer: {answers[0].text!r:.40}."
    if is_impossible is False and not answers:
        return "is_impossible is false, and there is no gold answer."
    return None


def find_answer(context: str, answer: Gold) -> int | None:
    """Return where an answer stands: as its file says, else its nearest occurrence; None if none.

    Of two that are as near the earlier one; without a start the first of all.
    """
    given = max(answer.start or 0, 0)
    if context.startswith(answer.text, given):
        return given
    before = context.rfind(answer.text, 0, given + len(answer.text))
    after = context.find(answer.text, given)
    found = [start for start in (before, after) if start >= 0]
    return min(found, key=lambda start: abs(start - given), default=None)


def is_placed(context: str, answer: Gold) -> bool:
    """Return whether an answer stands where its file says."""
    start = answer.start
    return start is not None and start >= 0 and context.startswith(answer.text, start)
