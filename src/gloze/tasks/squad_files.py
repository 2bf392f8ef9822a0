"""Question answering data as it is published: SQuAD 1.1 and 2.0, CMRC 2018 in both its layouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from gloze.core.errors import DataError
from gloze.core.progress import say
from gloze.tasks.json_files import read_values
from gloze.tasks.questions import Gold, Question, check_answers, check_context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T = TypeVar("T")
_KINDS = {str: "a text", int: "a whole number", list: "an array", bool: "true or false"}


@dataclass(frozen=True)
class SquadReader:
    """Reads a JSON file of articles, paragraphs and questions, whole in memory.

    A question that is empty is kept and counted: CMRC 2018 has one, and it is asked about.

    Attributes:
        metric: what such files are judged by.
    """

    metric: str | None = "f1"

    def read(
        self, path: Path, *, needs_labels: bool = True, keep_rows: bool = False
    ) -> Iterator[Question]:
        """Yield the questions of a file in their order.

        Args:
            path: plain or compressed; ``-`` is standard input.
            needs_labels: refuse questions without gold answers; otherwise they are not looked at.
            keep_rows: keep id and question, for writing them out again.

        Raises:
            DataError: naming the place, like ``data[3].paragraphs[2].qas[0]``, of the first
                thing that is wrong.
        """
        places: dict[str, str] = {}
        empty: list[str] = []
        for paragraph, names in _paragraphs(path):
            context = paragraph.text(names.context)
            if wrong := check_context(context):
                raise paragraph.error(wrong)
            for item in paragraph.objects("qas"):
                found = _question(item, names, context, needs_labels, keep_rows)
                if found.id in places:
                    raise item.error(f"the id {found.id!r} is that of {places[found.id]} too.")
                places[found.id] = found.place
                empty += [found.place] * (not found.question.strip())
                yield found
        if not places:
            raise DataError("there is no question in it.", path=path)
        if empty:
            say(f"{path}: {len(empty)} questions are empty (the first: {empty[0]}); kept as such.")


@dataclass(frozen=True)
class _Names:
    context: str
    id: str
    question: str


_SQUAD = _Names("context", "id", "question")
_CMRC = _Names("context_text", "query_id", "query_text")


@dataclass(frozen=True)
class _Object:
    """A JSON object that knows where in its file it stands."""

    path: Path
    place: str
    values: dict[str, Any]

    def get(self, name: str, kind: type[T]) -> T:
        value = self.values.get(name)
        if type(value) is not kind:
            raise self.error(f"{_KINDS[kind]} is expected, found {_shown(value)}.", name)
        return value

    def text(self, name: str) -> str:
        value = self.get(name, str)
        if not value.strip():
            raise self.error("the text is empty.", name)
        return value

    def objects(self, name: str) -> Iterator[_Object]:
        for number, value in enumerate(self.get(name, list)):
            place = f"{name}[{number}]"
            if not isinstance(value, dict):
                raise self.error(f"an object is expected, found {_shown(value)}.", place)
            yield _Object(self.path, f"{self.place}.{place}".removeprefix("."), value)

    def error(self, reason: str, name: str = "") -> DataError:
        place = ".".join(part for part in (self.place, name) if part)
        return DataError(f"{place}: {reason}", path=self.path)


def _shown(value: Any) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {value!r:.40}"


def _paragraphs(path: Path) -> Iterator[tuple[_Object, _Names]]:
    for number, (line, value) in enumerate(read_values(path)):
        if isinstance(value, dict) and "data" in value:
            for article in _Object(path, "", value).objects("data"):
                for paragraph in article.objects("paragraphs"):
                    yield paragraph, _SQUAD
        elif isinstance(value, dict) and "context_text" in value:
            yield _Object(path, f"[{number}]", value), _CMRC
        else:
            raise DataError(
                "not SQuAD's layout: an object with data, that holds paragraphs, is expected.",
                path=path,
                line=line,
                hint="For an object with question and context on each line say --format jsonl.",
            )


def _question(
    item: _Object, names: _Names, context: str, needs_labels: bool, keep_row: bool
) -> Question:
    own, question = item.text(names.id), item.get(names.question, str)
    row = {"id": own, "question": question} if keep_row else None
    answers = _answers(item) if needs_labels else None
    return Question(question, context, own, answers, row, place=item.place)


def _answers(item: _Object) -> tuple[Gold, ...]:
    texts = item.get("answers", list)
    if texts and all(isinstance(text, str) for text in texts):
        if not all(text.strip() for text in texts):
            raise item.error("the text of an answer is empty.", "answers")
        answers = tuple(Gold(text) for text in texts)
    else:
        answers = tuple(
            Gold(answer.text("text"), answer.get("answer_start", int))
            for answer in item.objects("answers")
        )
    flag = item.get("is_impossible", bool) if "is_impossible" in item.values else None
    wrong = check_answers(answers, flag)
    if wrong is None and flag is None and not answers:
        wrong = "there is no gold answer, and no is_impossible that says so."
    if wrong is not None:
        raise item.error(wrong)
    return answers
