"""How files of questions with options are laid out: those of SWAG, CODAH, C3 and others, tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from gloze.core.errors import ConfigError
from gloze.tasks.formats import BETWEEN_COLUMNS, are_numbers, columns_by_role, named_format, numbers
from gloze.tasks.tables import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

ROLES = ("context", "question", "options", "label")
# What a label says: the option's number from 0 or from 1, its letter, its text, or any of these.
Numbering = Literal["any", "any from 1", "from 0", "from 1", "letter", "text"]


@dataclass(frozen=True, kw_only=True)
class ChoiceLayout:
    """How one kind of file is laid out.

    Attributes:
        kind: of table; None to tell by the file's name.
        document: of JSON files: what an element holds; None for a table.
        context: columns whose texts follow each other.
        question: column of what stands before each option.
        options: columns of one option each, or one column with a list; empty to look for
            ``options``, or ``option_0``, ``option_1`` and so on.
        label: column of the right option.
        numbering: how it is named.
        headerless: names of the columns of a file that has no header.
        is_numbered: whether columns are named by their numbers: the file has no header.
        has_doubles: whether the published files hold a few questions with an option given twice,
            which are kept and counted.
    """

    kind: Kind | None = None
    document: Literal["dialogue", "race"] | None = None
    context: tuple[str, ...] = ("context",)
    question: str | None = None
    options: tuple[str, ...] = ()
    label: str = "label"
    numbering: Numbering = "any"
    headerless: tuple[str, ...] = ()
    is_numbered: bool = False
    has_doubles: bool = False

    def names(self, first: list[str]) -> Sequence[str] | None:
        """Return the names of the columns if the first line is a row already, else None."""
        return numbers(first) if self.is_numbered else self.headerless or None


def _columns(pattern: str, names: str) -> tuple[str, ...]:
    return tuple(pattern.format(name) for name in names)


_DIALOGUE = ChoiceLayout(
    document="dialogue",
    context=("dialogue",),
    question="question",
    options=("choice",),
    label="answer",
    numbering="text",
    has_doubles=True,
)
_CODAH = ("category", "prompt", *_columns("ending_{}", "0123"), "label")
LAYOUTS: dict[str, ChoiceLayout] = {
    **{kind: ChoiceLayout(kind=kind) for kind in KINDS},
    "swag": ChoiceLayout(
        kind="csv",
        context=("sent1",),
        question="sent2",
        options=_columns("ending{}", "0123"),
        numbering="from 0",
        has_doubles=True,
    ),
    "codah": ChoiceLayout(
        kind="tsv",
        context=("prompt",),
        options=_CODAH[2:-1],
        numbering="from 0",
        headerless=_CODAH,
        has_doubles=True,
    ),
    "siqa": ChoiceLayout(
        kind="jsonl",
        question="question",
        options=_columns("answer{}", "ABC"),
        label="correct",
        numbering="letter",
        has_doubles=True,
    ),
    "storycloze": ChoiceLayout(
        kind="tsv",
        context=_columns("InputSentence{}", "1234"),
        options=_columns("RandomFifthSentenceQuiz{}", "12"),
        label="AnswerRightEnding",
        numbering="from 1",
        has_doubles=True,
    ),
    "c3": _DIALOGUE,
    "dream": _DIALOGUE,
    "race": replace(
        _DIALOGUE, document="race", context=("article",), options=("options",), numbering="letter"
    ),
}


def choice_layout(format: str | None, columns: str | dict[str, str] | None) -> ChoiceLayout:
    """Return the layout of that name with a person's own column names put in.

    Args:
        format: one of ``LAYOUTS``; None to go by the file's name.
        columns: of a table, like ``context=story,options=ending1|ending2,label=gold``. Roles are
            those of ``ROLES``; one name for ``options`` is a column with lists.

    Raises:
        ConfigError: naming the nearest format or role if one is unknown.
    """
    layout = named_format(format, LAYOUTS) if format else ChoiceLayout()
    roles = columns_by_role(columns, ROLES)
    if roles and layout.document:
        raise ConfigError(f"--columns is for tables; --format {format} is of JSON documents.")
    options = tuple(
        name.strip() for name in roles.get("options", "").split(BETWEEN_COLUMNS) if name.strip()
    )
    return replace(
        layout,
        context=(roles["context"],) if "context" in roles else layout.context,
        question=roles.get("question", layout.question),
        options=options or layout.options,
        label=roles.get("label", layout.label),
        is_numbered=are_numbers(roles.values()),
    )
