"""Answers as the official scripts of SQuAD take them: ``{id: text}``, with n-best and null odds."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gloze.core.errors import ConfigError, DataError
from gloze.core.files import write_text
from gloze.core.output import refuse_existing
from gloze.metrics.span import scoring_of, span_figures
from gloze.tasks.json_files import read_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from gloze.tasks.questions import Question
    from gloze.tasks.span_answers import SpanAnswer

N_BEST, NULL_ODDS = "nbest_", "null_odds_"
ANSWERS = "answers"
# That of SQuAD 2.0's script.
NULL_THRESHOLD = 1.0


class SquadAnswers:
    """Collects answers, and writes them when it is closed.

    Beside ``predictions.json`` there are ``nbest_predictions.json``, the candidates with their
    places and scores, and ``null_odds_predictions.json`` where there may be no answer.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.n_best: dict[str, list[dict[str, Any]]] = {}
        self.null_odds: dict[str, float] = {}

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, *, force: bool) -> Iterator[SquadAnswers]:
        """Yield a writer; the files appear when the block ends without an error.

        Raises:
            ConfigError: if the name does not end in .json, or a file exists and ``force`` is not
                set.
            WriteError: if the disk is full or the place cannot be written to.
        """
        if path.suffix.lower() != ".json":
            raise ConfigError(f"-o {path}: the name of SQuAD's predictions must end in .json.")
        others = [path.with_name(prefix + path.name) for prefix in (N_BEST, NULL_ODDS)]
        for each in (path, *others):
            refuse_existing(each, force=force)
        answers = cls()
        yield answers
        _write(others[0], answers.n_best)
        if answers.null_odds:
            _write(others[1], answers.null_odds)
        else:
            # Of an earlier file of answers, which this one replaces.
            others[1].unlink(missing_ok=True)
        _write(path, answers.texts)

    def write(self, examples: Sequence[Question], answers: Sequence[SpanAnswer]) -> None:
        """Take them in."""
        for example, answer in zip(examples, answers, strict=True):
            self.texts[example.id] = answer.text
            self.n_best[example.id] = [asdict(candidate) for candidate in answer.n_best]
            if answer.null_odds is not None:
                self.null_odds[example.id] = answer.null_odds


def _write(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_predictions(path: Path) -> dict[str, str]:
    """Return the answers of a file of predictions, by the ids of their questions.

    Raises:
        DataError: if it is not an object of texts.
    """
    return {i: str(text) for i, text in _read(path, str, "the text of an answer").items()}


def read_null_scores(path: Path) -> dict[str, float]:
    """Return for each question how much speaks for there being no answer, by its id.

    Raises:
        DataError: if it is not an object of finite numbers.
    """
    return {
        i: _finite(path, i, score) for i, score in _read(path, (int, float), "a number").items()
    }


def _finite(path: Path, question: str, score: float) -> float:
    # A whole number in JSON may be larger than any float.
    with contextlib.suppress(OverflowError):
        if math.isfinite(score):
            return float(score)
    raise DataError(f"question {question!r}: a finite number is expected.", path=path)


def _read(path: Path, kind: type | tuple[type, ...], expected: str) -> dict[str, Any]:
    (line, values), *rest = read_values(path)
    if rest or not isinstance(values, dict):
        raise DataError(
            "one object is expected, with the id of each question.", path=path, line=line
        )
    for question, value in values.items():
        if not isinstance(value, kind) or isinstance(value, bool):
            raise DataError(
                f"question {question!r}: {expected} is expected, found "
                f"{type(value).__name__} {value!r:.40}.",
                path=path,
            )
    return values


def judge_predictions(
    path: Path,
    questions: Iterable[Question],
    null_odds: Path | None = None,
    null_threshold: float = NULL_THRESHOLD,
) -> dict[str, Any]:
    """Return how good a file of predictions is, as the official script counts.

    Args:
        path: the answers by the ids of their questions.
        questions: with their gold answers.
        null_odds: a file with how much speaks for there being no answer to each question.
        null_threshold: answers with more than that are taken back.

    Returns:
        The figures of :func:`gloze.metrics.span.span_figures`, and ``scoring``.

    Raises:
        DataError: if a file cannot be used, or a question has no null odds.
    """
    gold = {each.id: [answer.text for answer in each.answers or ()] for each in questions}
    scoring = scoring_of(gold)
    odds = None if null_odds is None else read_null_scores(null_odds)
    if odds is not None and (missing := next((each for each in gold if each not in odds), None)):
        raise DataError(
            f"there is no number for question {missing!r}.",
            path=null_odds,
            hint="One is expected for each question of --data.",
        )
    figures = span_figures(
        gold,
        read_predictions(path),
        scoring=scoring,
        null_scores=odds,
        null_threshold=null_threshold,
    )
    return {**figures, "scoring": scoring}


def answer_notes(figures: Mapping[str, Any]) -> list[str]:
    """Return a line for what was judged, and for what does not fit; none for other figures."""
    if "scoring" not in figures:
        return []
    lines = [f"  {figures['examples']:,} questions, by the rules of {figures['scoring']}."]
    if figures["missing"]:
        lines.append(f"  {figures['missing']:,} questions have no answer there: counted as wrong.")
    if figures["unasked"]:
        lines.append(f"  {figures['unasked']:,} answers are to other questions: left out.")
    return lines
