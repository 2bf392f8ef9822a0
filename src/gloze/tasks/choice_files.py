"""Questions with options, read from files."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from gloze.core.errors import DataError, nearest
from gloze.core.progress import say
from gloze.tasks.examples import check_columns, check_text, text_of
from gloze.tasks.json_files import read_values
from gloze.tasks.labels import whole_number
from gloze.tasks.tables import Row, kind_of, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from gloze.tasks.choice_layouts import ChoiceLayout, Numbering

# Labels of any kind: from where their numbers count.
_COUNTED = {"any": "from 0", "any from 1": "from 1"}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OPTION = re.compile(r"option_?(\d+|[a-zA-Z])")


@dataclass(frozen=True)
class Question:
    """A text, what is asked about it, and the options to answer with.

    Attributes:
        context: the text.
        options: two or more.
        question: stands before each option; None if the options go on the text itself.
        gold: number of the right option, from 0; None if it is not known.
        row: everything in the row, by column; None if it was not asked for.
        line: of the file, from 1; of a Parquet file the row.
    """

    context: str
    options: tuple[str, ...]
    question: str | None = None
    gold: int | None = None
    row: dict[str, Any] | None = None
    line: int = 0


@dataclass(frozen=True)
class ChoiceReader:
    """Reads questions of one layout.

    Attributes:
        layout: where their parts are.
        metric: what such files are judged by: accuracy, as ever.
    """

    layout: ChoiceLayout
    metric: str | None = None

    def read(
        self, path: Path, *, needs_labels: bool = True, keep_rows: bool = False
    ) -> Iterator[Question]:
        """Yield the questions of a file in their order; see :meth:`Reader.read`."""
        layout, doubles, count = self.layout, [], 0
        if layout.document:
            rows = _document_rows(path, layout.document)
        else:
            rows = read_rows(path, layout.kind or kind_of(path), names=layout.names)
        for row in rows:
            if not count:
                layout = _found_columns(path, row, layout, needs_labels=needs_labels)
            count += 1
            question = _question(path, row, layout, needs_labels=needs_labels)
            if len({option.strip() for option in question.options}) < len(question.options):
                if not layout.has_doubles:
                    raise DataError(
                        f"an option is given twice: {_twice(question.options)!r:.60}.",
                        path=path,
                        line=row.line,
                        hint="No answer could tell the two apart: take one of them out.",
                    )
                doubles.append(row.line)
            yield replace(question, row=row.values) if keep_rows else question
        if not count:
            raise DataError("a header and no rows.", path=path)
        if doubles:
            say(
                f"{path}: {len(doubles)} of {count:,} questions give an option twice, the first in "
                f"line {doubles[0]}. They are kept; the first of two equal ones counts as right."
            )


def _twice(options: Sequence[str]) -> str:
    stripped = [option.strip() for option in options]
    return next(option for option in stripped if stripped.count(option) > 1)


def _found_columns(
    path: Path, row: Row, layout: ChoiceLayout, *, needs_labels: bool
) -> ChoiceLayout:
    """Return the layout with the columns of this file, looked for in its first row."""
    known = list(row.values)
    question = layout.question
    if question is None and not layout.headerless and "question" in known:
        question = "question"
    options = layout.options or (("options",) if "options" in known else _numbered(known))
    wanted = dict.fromkeys(layout.context, "context")
    wanted |= {question: "question"} if question else {}
    wanted |= dict.fromkeys(options or ("options",), "options")
    check_columns(path, known, wanted | ({layout.label: "label"} if needs_labels else {}))
    # Where the columns themselves count from 1 a label of 1 is the first.
    is_from_1 = not layout.options and options[0] in ("option_1", "option1")
    numbering = "any from 1" if is_from_1 else layout.numbering
    return replace(layout, question=question, options=options, numbering=numbering)


def _numbered(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns option_0, option_1, ... or optionA, optionB, ... in their order."""
    found = [(match[1], name) for name in columns if (match := _OPTION.fullmatch(name))]
    return tuple(name for _, name in sorted(found, key=lambda each: (len(each[0]), each[0])))


def _question(path: Path, row: Row, layout: ChoiceLayout, *, needs_labels: bool) -> Question:
    context = " ".join(text_of(path, row, column) for column in layout.context)
    asked = None if layout.question is None else text_of(path, row, layout.question)
    options = _options(path, row, layout.options)
    gold = None
    if needs_labels:
        found = _gold(row.values.get(layout.label), options, layout.numbering)
        if isinstance(found, str):
            raise DataError(found, path=path, line=row.line, column=layout.label)
        # Who answers with the other of two equal ones says the same.
        gold = [option.strip() for option in options].index(options[found].strip())
    return Question(context, options, asked, gold, None, row.line)


def _options(path: Path, row: Row, columns: Sequence[str]) -> tuple[str, ...]:
    if len(columns) == 1:
        options = row.values.get(columns[0])
        if not isinstance(options, list):
            raise DataError(
                f"a list of options is expected, found {options!r:.40}.",
                path=path,
                line=row.line,
                column=columns[0],
                hint="Options in columns of their own: --columns options=NAME|NAME.",
            )
    else:
        options = [row.values.get(column) for column in columns]
        # A table has as many columns as its longest row has options.
        while options and options[-1] in (None, ""):
            options.pop()
    if len(options) < 2:
        raise DataError(
            f"{len(options)} option{'s' * (len(options) != 1)}: there is nothing to choose from.",
            path=path,
            line=row.line,
            column=columns[0],
        )
    for number, option in enumerate(options):
        name = columns[0] if len(columns) == 1 else columns[number]
        check_text(option, path, row.line, name)
    return tuple(options)


def _gold(label: Any, options: Sequence[str], numbering: Numbering) -> int | str:
    """Return the number of the option that a label names, or what is wrong with it."""
    if label is None or label == "":
        return "no label in this row."
    if isinstance(label, bool) or not isinstance(label, int | str):
        return f"a label is a text or a whole number, found {label!r:.40}."
    readings = _readings(label, options)
    first = _COUNTED.get(numbering)
    if first is not None:
        ways = [first] if isinstance(label, int) else [first, "letter", "text"]
        found = {readings[way] for way in ways} - {None}
        if len(found) > 1:
            return (
                f"{label!r} is the number or letter of one option and the text of another. "
                "Write the number, as a number in JSON, or another text."
            )
        number = next(iter(found), None)
    else:
        number = readings.get(numbering)
    if number is None:
        how = (
            f"number {first}, letter or text" if first else numbering.replace("from", "number from")
        )
        close = nearest(str(label), options) if first or numbering == "text" else ""
        return f"{label!r:.60} names none of the {len(options)} options (by {how}). {close}".strip()
    return number


def _readings(label: int | str, options: Sequence[str]) -> dict[str, int | None]:
    """Return the option that each way of naming options would take a label for."""
    text = str(label).strip()
    number = whole_number(text)
    letter = _LETTERS.find(text.upper()) if len(text) == 1 else -1
    stripped = [option.strip() for option in options]

    def inside(value: int | None) -> int | None:
        return value if value is not None and 0 <= value < len(options) else None

    return {
        "from 0": inside(number),
        "from 1": inside(None if number is None else number - 1),
        "letter": inside(letter),
        "text": stripped.index(text) if text in stripped else None,
    }


def _document_rows(path: Path, document: Literal["dialogue", "race"]) -> Iterator[Row]:
    """Yield a row for each question of a file of documents; its line is the document's."""
    rows = _dialogue if document == "dialogue" else _race
    for line, value in read_values(path):
        try:
            yield from (Row(line, values) for values in rows(value))
        except (TypeError, ValueError, KeyError, AttributeError, IndexError):
            shape = (
                "[turns, [{question, choice, answer}, ...], id]"
                if document == "dialogue"
                else "{article, questions, options, answers}"
            )
            raise DataError(
                f"a document like {shape} is expected, found {value!r:.60}.", path=path, line=line
            ) from None


def _dialogue(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the questions of a document of C3 (Sun et al. 2020) or DREAM (Sun et al. 2019)."""
    turns, questions, name = value
    if not isinstance(turns, list):
        raise TypeError
    for asked in questions:
        yield {
            "id": name,
            "dialogue": "\n".join(turns),
            "question": asked["question"],
            "choice": asked["choice"],
            "answer": asked.get("answer"),
        }


def _race(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the questions of a document of RACE (Lai et al. 2017)."""
    answers = value.get("answers") or [None] * len(value["questions"])
    for question, options, answer in zip(
        value["questions"], value["options"], answers, strict=True
    ):
        yield {
            "id": value.get("id"),
            "article": value["article"],
            "question": question,
            "options": options,
            "answer": answer,
        }
