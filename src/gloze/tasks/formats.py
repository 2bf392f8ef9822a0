"""Which columns of a table hold the texts and the label: plain names, yours, or GLUE's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar

from gloze.core.errors import ConfigError, nearest
from gloze.tasks.tables import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

T = TypeVar("T")
BETWEEN_COLUMNS = "|"
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
        optional: how many of the last columns rows without a header may lack.
    """

    kind: Kind | None = None
    text_a: str | None = None
    text_b: str | None = None
    label: str | None = None
    headerless: tuple[str, ...] = ()
    is_numbered: bool = False
    is_label_named: bool = False
    skips_broken: bool = False
    metric: Literal["accuracy", "f1", "matthews", "spearman"] | None = None
    has_scores: bool = False
    optional: int = 0

    def names(self, first: list[str]) -> Sequence[str] | None:
        """Return the names of the columns if the first line is a row already, else None."""
        if self.is_numbered:
            return numbers(first)
        most = len(self.headerless)
        is_row = most - self.optional <= len(first) <= most and self.text_a not in first
        return self.headerless if is_row and most else None


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
    # The labels of its test set were published apart, without a header and with the sources of
    # some sentences at the end (sts-test.csv of the STS benchmark, Cer et al. 2017).
    "stsb": replace(
        _glue("sentence1", "sentence2", "score"),
        metric="spearman",
        has_scores=True,
        headerless=(
            *("genre", "filename", "year", "old_index", "score", "sentence1", "sentence2"),
            *("source1", "source2"),
        ),
        optional=2,
    ),
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
    found = Format() if name is None else named_format(name, FORMATS)
    pairs = columns_by_role(columns, ROLES)
    if not pairs:
        return found
    return replace(
        found,
        text_a=pairs.get("text", pairs.get("text_a", found.text_a)),
        text_b=pairs.get("text_b", found.text_b),
        label=pairs.get("label", found.label),
        is_numbered=are_numbers(pairs.values()),
        is_label_named="label" in pairs,
    )


def named_format(name: str, known: Mapping[str, T]) -> T:
    """Return the format of that name.

    Raises:
        ConfigError: naming the nearest if it is unknown.
    """
    if name not in known:
        raise ConfigError(
            f"Unknown format {name!r}. {nearest(name, known)}Known: {', '.join(known)}."
        )
    return known[name]


def are_numbers(columns: Iterable[str]) -> bool:
    """Return whether columns are named by their numbers: then the file has no header.

    One role may name several columns, with ``|`` between them.
    """
    names = [name.strip() for column in columns for name in column.split(BETWEEN_COLUMNS)]
    return bool(names) and all(name.isdecimal() for name in names)


def numbers(first: list[str]) -> Sequence[str]:
    """Return the columns of a first line named by their numbers, counted from 0."""
    return [str(number) for number in range(len(first))]


def columns_by_role(columns: str | dict[str, str] | None, known: Sequence[str]) -> dict[str, str]:
    """Return a person's own column names by their roles.

    Args:
        columns: like ``text_a=sentence,label=gold``, or the same as a dict.
        known: the roles there are.

    Raises:
        ConfigError: naming the nearest role if one is unknown.
    """
    roles = parse_columns(columns) if isinstance(columns, str) else dict(columns or {})
    for role in roles:
        if role not in known:
            raise ConfigError(
                f"--columns: unknown role {role!r}. {nearest(role, known)}"
                f"Known: {', '.join(known)}."
            )
    if "text" in roles and "text_a" in roles:
        raise ConfigError("--columns: text and text_a are the same; name one of them.")
    return roles


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
