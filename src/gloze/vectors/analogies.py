"""Analogies: to what word is c as a is to b."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gloze.core.errors import DataError
from gloze.vectors.lines import fold, lines_of
from gloze.vectors.table import multiplied

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gloze.vectors.table import Floats, WordVectors
    from gloze.vectors.words import Rows

Method = Literal["add", "mul"]
Question = tuple[str, str, str, str]
_AT_ONCE = 256


@dataclass(frozen=True)
class SectionFigures:
    """Figures of one section, or of all.

    Attributes:
        questions: how many there are.
        known: how many have vectors for all four words; the others count for nothing.
        correct: how many of these were answered rightly.
    """

    questions: int
    known: int
    correct: int

    @property
    def accuracy(self) -> float | None:
        """Share of the known ones that were answered rightly; None if there are none."""
        return self.correct / self.known if self.known else None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON can hold them."""
        return {**asdict(self), "accuracy": self.accuracy}

    def __add__(self, other: SectionFigures) -> SectionFigures:
        return SectionFigures(
            self.questions + other.questions,
            self.known + other.known,
            self.correct + other.correct,
        )


def read_analogies(path: Path) -> dict[str, list[Question]]:
    """Read questions by section: a line ``: name``, then lines of four words.

    Raises:
        DataError: if a line has not four words, stands before any section, or there is none.
    """
    sections: dict[str, list[Question]] = {}
    name = None
    for number, line in lines_of(path):
        if line.startswith(":"):
            name = line[1:].strip()
            sections.setdefault(name, [])
            continue
        words = line.split()
        if len(words) != 4 or name is None:
            expected = "four words" if name is not None else "a section (: name)"
            raise DataError(f"{expected} expected, found {line[:60]!r}.", path=path, line=number)
        a, b, c, d = words
        sections[name].append((a, b, c, d))
    if not any(sections.values()):
        raise DataError("no questions of four words.", path=path)
    return sections


def judge_analogies(
    vectors: WordVectors,
    sections: Mapping[str, Sequence[Question]],
    *,
    method: Method = "add",
    limit: int | None = 300_000,
) -> dict[str, SectionFigures]:
    """Return the figures of each section.

    Capitals do not matter, and words of the question are no answers, as usual (Mikolov et al.
    2013).

    Args:
        vectors: to be judged.
        sections: of questions.
        method: ``add`` is 3CosAdd, ``mul`` 3CosMul (Levy and Goldberg 2014).
        limit: look among so many words of the beginning alone, as others do.
    """
    found = {}
    for name, questions in sections.items():
        rows = fold(vectors, [word for each in questions for word in each]).reshape(-1, 4)
        end = len(vectors) if limit is None else min(limit, len(vectors))
        rows = rows[((rows >= 0) & (rows < end)).all(axis=1)]
        correct = 0
        for start in range(0, len(rows), _AT_ONCE):
            asked = rows[start : start + _AT_ONCE]
            answers = _answers(vectors, asked[:, :3], method, end)
            correct += sum(
                _same(vectors, answer, right)
                for answer, right in zip(answers.tolist(), asked[:, 3].tolist(), strict=True)
            )
        found[name] = SectionFigures(len(questions), len(rows), correct)
    return found


def _same(vectors: WordVectors, one: int, other: int) -> bool:
    return one == other or vectors.words[one].lower() == vectors.words[other].lower()


def _answers(vectors: WordVectors, rows: Rows, method: Method, limit: int) -> Rows:
    """Return the row of the best answer to each question a, b, c, [questions]."""
    a, b, c = (vectors.unit(rows[:, i]) for i in range(3))
    barred = _variants(vectors, rows)
    best = np.full(len(rows), -np.inf, np.float32)
    answers = np.zeros(len(rows), np.int64)
    everyone = np.arange(len(rows))
    for own in vectors.blocks(limit):
        units = vectors.unit(np.arange(own.start, own.stop))
        scores = _scores(units, a, b, c, method)
        for question, row in barred:
            if own.start <= row < own.stop:
                scores[row - own.start, question] = -np.inf
        places = scores.argmax(axis=0)
        highest = scores[places, everyone]
        better = highest > best
        best[better], answers[better] = highest[better], own.start + places[better]
    return answers


def _scores(units: Floats, a: Floats, b: Floats, c: Floats, method: Method) -> Floats:
    """Return the scores of words as answers, [words, questions]."""
    if method == "add":
        found: Floats = units @ (b + c - a).T
        return found
    above = np.stack([units @ b.T, units @ c.T], axis=1)
    return multiplied(above, (units @ a.T)[:, None])


def _variants(vectors: WordVectors, rows: Rows) -> list[tuple[int, int]]:
    """Return question and row of the words that are no answers: its own, in any case."""
    found = []
    numbers = vectors.words.numbers
    for question, own in enumerate(rows.tolist()):
        barred = set(own)
        for row in own:
            word = vectors.words[row]
            forms = (word, word.lower(), word.upper(), word.capitalize())
            barred.update(numbers[form] for form in forms if form in numbers)
        found += [(question, row) for row in sorted(barred)]
    return found
