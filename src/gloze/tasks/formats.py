"""Which columns of a table hold the texts and the label: plain names, yours, or GLUE's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from gloze.core.errors import ConfigError, nearest
from gloze.tasks.tables import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROLES = ("text", "text_a", "text_b", "label")


@dataclass(frozen=True, kw_only=True)
class Format:
    """How one kind of labelled file is laid out.

    Attributes:
        kind: TSV and so on; None to tell by the file's name.
        text_a, text_b, label: names of the columns; None to look for the plain ones.
        headerless: names of the columns of a file that has no header.
        is_numbered: whether columns are named by their numbers, counted from 0: the file has no
            header.
        is_label_named: whether a person named the label's column, so it must be there.
        skips_broken: whether the published files hold a few rows cut in two, which are left
            out and counted.
        metric: the figure by which the task is judged; None if the layout does not say.
        has_scores: whether labels are numbers on a scale, not classes.
    """

    kind: Kind | None = None
    text_a: str | None = None
    text_b: str | None = None
    label: str | None = None
    headerless: tuple[str, ...] = ()
    is_numbered: bool = False
    is_label_named: bool = False
    skips_broken: bool = False
    metric: Literal["accuracy", "f1", "matthews"] | None = None
    has_scores: bool = False

    def names(self, first: list[str]) -> Sequence[str] | None:
        """Return the names of the columns if the first line is a row already, else None."""
        if self.is_numbered:
            return [str(number) for number in range(len(first))]
        is_row = len(first) == len(self.headerless) and self.text_a not in first
        return self.headerless if is_row else None


def _glue(text_a: str, text_b: str | None, label: str) -> Format:
    return Format(kind="tsv", text_a=text_a, text_b=text_b, label=label)


# The files of the GLUE benchmark (Wang et al. 2019) as they are distributed; some copies of its
# train and dev files of CoLA have no header, and MNLI and QQP have a few rows cut in two.
GLUE: dict[str, Format] = {
    "cola": replace(
        _glue("sentence", None, "label"),
        metric="matthews",
        headerless=("source", "label", "original_mark", "sentence"),
    ),
    "sst2": _glue("sentence", None, "label"),
    "mrpc": replace(_glue("#1 String", "#2 String", "Quality"), metric="f1"),
    "qqp": replace(_glue("question1", "question2", "is_duplicate"), metric="f1", skips_broken=True),
    "stsb": replace(_glue("sentence1", "sentence2", "score"), has_scores=True),
    "mnli": replace(_glue("sentence1", "sentence2", "gold_label"), skips_broken=True),
    "qnli": _glue("question", "sentence", "label"),
    "rte": _glue("sentence1", "sentence2", "label"),
    "wnli": _glue("sentence1", "sentence2", "label"),
}
FORMATS: dict[str, Format] = {**{kind: Format(kind=kind) for kind in KINDS}, **GLUE}


def find_format(name: str | None, columns: str | dict[str, str] | None = None) -> Format:
    """Return the format of that name with a person's own column names put in.

    Args:
        name: one of ``FORMATS``; None to go by the file's name.
        columns: like ``text_a=sentence,label=gold``, or the same as a dict. Roles are ``text``
            (the same as ``text_a``), ``text_a``, ``text_b`` and ``label``. Numbers, counted from
            0, are columns of a file without a header.

    Raises:
        ConfigError: naming the nearest format or role if one is unknown.
    """
    if name is not None and name not in FORMATS:
        raise ConfigError(
            f"Unknown format {name!r}. {nearest(name, FORMATS)}Known: {', '.join(FORMATS)}."
        )
    found = Format() if name is None else FORMATS[name]
    pairs = parse_columns(columns) if isinstance(columns, str) else dict(columns or {})
    _check_roles(pairs)
    if not pairs:
        return found
    return replace(
        found,
        text_a=pairs.get("text", pairs.get("text_a", found.text_a)),
        text_b=pairs.get("text_b", found.text_b),
        label=pairs.get("label", found.label),
        is_numbered=all(column.isdecimal() for column in pairs.values()),
        is_label_named="label" in pairs,
    )


def parse_columns(text: str) -> dict[str, str]:
    """Return ``text_a=sentence,label=gold`` as a dict.

    Raises:
        ConfigError: if a part is not ``role=column``.
    """
    pairs: dict[str, str] = {}
    for part in text.split(","):
        role, equals, column = (piece.strip() for piece in part.partition("="))
        if not (role and equals and column) or role in pairs:
            raise ConfigError(
                f"--columns {text!r}: {part.strip()!r} is not role=column given once. "
                "Write it like text_a=sentence,label=gold."
            )
        pairs[role] = column
    return pairs


def _check_roles(roles: Iterable[str]) -> None:
    names = list(roles)
    for role in names:
        if role not in ROLES:
            raise ConfigError(
                f"--columns: unknown role {role!r}. {nearest(role, ROLES)}"
                f"Known: {', '.join(ROLES)}."
            )
    if "text" in names and "text_a" in names:
        raise ConfigError("--columns: text and text_a are the same; name one of them.")
