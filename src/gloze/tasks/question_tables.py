"""Questions, texts and answers from tables, and from whichever kind of file a name tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gloze.core.errors import ConfigError, DataError, nearest
from gloze.tasks.formats import parse_columns
from gloze.tasks.labels import whole_number
from gloze.tasks.questions import Gold, Question, check_answers, check_context
from gloze.tasks.squad_files import SquadReader
from gloze.tasks.tables import KINDS, Kind, Row, kind_of, read_rows
from gloze.text.compression import COMPRESSED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ROLES = ("id", "question", "context", "answer", "answer_start", "answers")
FORMATS = ("squad", *KINDS)


@dataclass(frozen=True)
class QuestionReader:
    """Reads SQuAD's JSON, or a table with a row for each question.

    Attributes:
        format: ``squad``, or a kind of table; None to tell by the file's name.
        columns: names of a table's columns by role, where they are not the plain ones.
        metric: what such files are judged by.
    """

    format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    metric: str | None = "f1"

    def read(
        self, path: Path, *, needs_labels: bool = True, keep_rows: bool = False
    ) -> Iterator[Question]:
        """Yield the questions of a file in their order; see :meth:`SquadReader.read`.

        A table has columns ``question`` and ``context``, and ``answer`` with ``answer_start``,
        or ``answers`` with an object that holds ``text`` and ``answer_start`` as arrays. An empty
        answer says that there is none. Without a column ``id`` questions are numbered from 1.

        Raises:
            ConfigError: if columns are named, and the file has none.
            DataError: naming the place of the first thing that is wrong.
        """
        suffixes = [suffix for suffix in path.suffixes if suffix.lower() not in COMPRESSED]
        if self.format == "squad" or (not self.format and suffixes[-1:] == [".json"]):
            if self.columns:
                raise ConfigError(
                    f"--columns names columns, of which SQuAD's JSON ({path}) has none."
                )
            yield from SquadReader().read(path, needs_labels=needs_labels, keep_rows=keep_rows)
        else:
            kind: Any = self.format or kind_of(path)
            yield from self._rows(path, kind, needs_labels=needs_labels, keep_rows=keep_rows)

    def _rows(
        self, path: Path, kind: Kind, *, needs_labels: bool, keep_rows: bool
    ) -> Iterator[Question]:
        lines: dict[str, int] = {}
        names = {role: self.columns.get(role, role) for role in ROLES}
        for number, row in enumerate(read_rows(path, kind), start=1):
            if number == 1:
                self._check_columns(path, row, names, needs_labels)
            cells = _Cells(path, row, names)
            found = cells.question(number, needs_labels=needs_labels, keep_row=keep_rows)
            if found.id in lines:
                raise cells.error(
                    "id", f"the id {found.id!r} is that of line {lines[found.id]} too."
                )
            lines[found.id] = row.line
            yield found
        if not lines:
            raise DataError("a header and no rows.", path=path)

    def _check_columns(
        self, path: Path, row: Row, names: dict[str, str], needs_labels: bool
    ) -> None:
        wanted = ["question", "context", *self.columns]
        if needs_labels and names["answers"] not in row.values:
            wanted.append("answer")
        for role in dict.fromkeys(wanted):
            if names[role] not in row.values:
                known = list(row.values)
                raise DataError(
                    f"no such column. {nearest(names[role], known)}"
                    f"Columns found: {', '.join(known)}.",
                    path=path,
                    line=1,
                    column=names[role],
                    hint=f"Name yours with --columns {role}=NAME.",
                )


@dataclass(frozen=True)
class _Cells:
    """A row, and which of its columns are meant."""

    path: Path
    row: Row
    names: dict[str, str]

    def question(self, number: int, *, needs_labels: bool, keep_row: bool) -> Question:
        context = self.text("context")
        if wrong := check_context(context):
            raise self.error("context", wrong)
        own = self.cell("id")
        if own is not None and (type(own) not in (str, int) or own == ""):
            raise self.error("id", f"a text or a whole number is expected, found {own!r:.40}.")
        answers = self.answers() if needs_labels else None
        values, line = self.row.values if keep_row else None, self.row.line
        name = str(number if own is None else own)
        return Question(self.text("question"), context, name, answers, values, line, f"line {line}")

    def answers(self) -> tuple[Gold, ...]:
        several = self.cell("answers")
        answers = self._several(several) if several is not None else self._single()
        flag = self.row.values.get("is_impossible")
        if wrong := check_answers(answers, flag if isinstance(flag, bool) else None):
            raise self.error("is_impossible", wrong)
        return answers

    def _single(self) -> tuple[Gold, ...]:
        text, start = self.cell("answer"), self.number(self.cell("answer_start"))
        if text is None or text == "":
            if start is not None and start >= 0:
                raise self.error("answer", f"there is none, and answer_start says {start}.")
            return ()
        return (Gold(self.text("answer"), start),)

    def _several(self, value: Any) -> tuple[Gold, ...]:
        texts = value.get("text") if isinstance(value, dict) else None
        starts = value.get("answer_start") if isinstance(value, dict) else None
        is_right = (
            isinstance(texts, list)
            and isinstance(starts, list)
            and len(texts) == len(starts)
            and all(isinstance(text, str) and text.strip() for text in texts)
        )
        if not is_right:
            raise self.error(
                "answers",
                "an object with as many texts in text as numbers in answer_start is expected, "
                f"found {value!r:.60}.",
            )
        return tuple(
            Gold(text, self.number(start, "answers"))
            for text, start in zip(texts or [], starts or [], strict=True)
        )

    def number(self, value: Any, role: str = "answer_start") -> int | None:
        if value is None or value == "":
            return None
        number = whole_number(value) if isinstance(value, str) else value
        if type(number) is not int:
            raise self.error(role, f"a whole number is expected, found {value!r:.40}.")
        return number

    def cell(self, role: str) -> Any:
        return self.row.values.get(self.names[role])

    def text(self, role: str) -> str:
        value = self.cell(role)
        if not isinstance(value, str):
            found = "nothing" if value is None else f"{type(value).__name__} {value!r:.40}"
            raise self.error(role, f"a text is expected, found {found}.")
        if not value.strip():
            raise self.error(role, "the text is empty.")
        return value

    def error(self, role: str, reason: str) -> DataError:
        column = self.names.get(role, role)
        return DataError(reason, path=self.path, line=self.row.line, column=column)


def find_reader(format: str | None, columns: str | dict[str, str] | None) -> QuestionReader:
    """Return how files of questions are read.

    Args:
        format: one of ``FORMATS``; None to go by the file's name.
        columns: like ``question=query,context=passage``, or the same as a dict.

    Raises:
        ConfigError: naming the nearest format or role if one is unknown.
    """
    if format is not None and format not in FORMATS:
        raise ConfigError(
            f"Unknown format {format!r}. {nearest(format, FORMATS)}Known: {', '.join(FORMATS)}."
        )
    pairs = parse_columns(columns) if isinstance(columns, str) else dict(columns or {})
    for role in pairs:
        if role not in ROLES:
            raise ConfigError(
                f"--columns: unknown role {role!r}. {nearest(role, ROLES)}"
                f"Known: {', '.join(ROLES)}."
            )
    return QuestionReader(format, pairs)
