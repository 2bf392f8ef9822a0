"""Answers of a ranking, and the table they are written to: a row for each candidate."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gloze.tasks.writing import TableAnswers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from gloze.tasks.ranking_files import Query


@dataclass(frozen=True)
class Ranked:
    """An answer.

    Attributes:
        order: the numbers of the candidates, from 0, the best first; of equal ones the earlier.
        scores: of each candidate in the order of the input, higher is better.
    """

    order: tuple[int, ...]
    scores: tuple[float, ...]


def columns_of(answer: Ranked) -> dict[str, tuple[Any, ...]]:
    """Return the score of each candidate and its rank, from 1, in the order of the input."""
    ranks = {number: rank for rank, number in enumerate(answer.order, start=1)}
    numbers = range(len(answer.order))
    return {
        "predicted_score": answer.scores,
        "predicted_rank": tuple(ranks[number] for number in numbers),
    }


@dataclass(frozen=True)
class _Candidate:
    row: dict[str, Any] | None
    line: int


class CandidateAnswers:
    """Writes the columns of each candidate, its score and its rank after them."""

    def __init__(self, table: TableAnswers) -> None:
        self.table = table

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, *, source: Path, force: bool) -> Iterator[CandidateAnswers]:
        """Yield a writer; see :meth:`TableAnswers.open`."""
        with TableAnswers.open(path, lambda _, added: added, source=source, force=force) as table:
            yield cls(table)

    def write(self, examples: Sequence[Query], answers: Sequence[Ranked]) -> None:
        """Append the candidates of some queries."""
        candidates, added = [], []
        for query, answer in zip(examples, answers, strict=True):
            columns = columns_of(answer)
            candidates += [_Candidate(row, query.line) for row in query.rows or ()]
            added += [
                dict(zip(columns, values, strict=True))
                for values in zip(*columns.values(), strict=True)
            ]
        self.table.write(candidates, added)
