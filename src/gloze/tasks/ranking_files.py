"""Queries with candidates and their relevance, read from files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from gloze.core.errors import DataError
from gloze.tasks.examples import check_columns, text_of
from gloze.tasks.formats import are_numbers, columns_by_role, named_format, numbers
from gloze.tasks.labels import number_of
from gloze.tasks.tables import KINDS, Kind, Row, kind_of, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ROLES = ("query", "candidate", "relevance", "query_id")


@dataclass(frozen=True)
class Query:
    """A query with the candidates that are to be ranked for it.

    Attributes:
        query: the text.
        candidates: the texts.
        relevance: of each candidate, at least 0; None if it is not known.
        rows: everything in the row of each candidate, by column; None if it was not asked for.
        line: where its first candidate is, from 1; of a Parquet file the row.
    """

    query: str
    candidates: tuple[str, ...]
    relevance: tuple[float, ...] | None = None
    rows: tuple[dict[str, Any], ...] | None = None
    line: int = 0

    @property
    def row(self) -> dict[str, Any] | None:
        """The row of the first candidate; None if it was not asked for."""
        return self.rows[0] if self.rows else None


@dataclass(frozen=True, kw_only=True)
class RankingLayout:
    """Which columns hold what.

    Attributes:
        kind: of table; None to tell by the file's name.
        query: column of the query's text.
        candidate: column of a candidate; or of a list of them.
        relevance: column of its relevance; or of a list.
        query_id: column that tells queries apart; the text does if there is none.
        is_numbered: whether columns are named by their numbers: the file has no header.
    """

    kind: Kind | None = None
    query: str = "query"
    candidate: str = "candidate"
    relevance: str = "relevance"
    query_id: str | None = None
    is_numbered: bool = False

    def names(self, first: list[str]) -> Sequence[str] | None:
        """Return the names of the columns if the first line is a row already, else None."""
        return numbers(first) if self.is_numbered else None


LAYOUTS: dict[str, RankingLayout] = {
    **{kind: RankingLayout(kind=kind) for kind in KINDS},
    # TrecQA (Wang et al. 2007) in the layout of dataset-sts.
    "trecqa": RankingLayout(kind="csv", query="qtext", candidate="atext", relevance="label"),
    # WikiQA (Yang et al. 2015) as it is distributed.
    "wikiqa": RankingLayout(
        kind="tsv",
        query="Question",
        candidate="Sentence",
        relevance="Label",
        query_id="QuestionID",
    ),
}


def ranking_reader(format: str | None, columns: str | dict[str, str] | None) -> RankingReader:
    """Return the reader of a layout.

    Args:
        format: one of ``LAYOUTS``; None to go by the file's name.
        columns: like ``query=question,candidate=answer,relevance=grade``. Roles are ``ROLES``.

    Raises:
        ConfigError: naming the nearest format or role if one is unknown.
    """
    layout = named_format(format, LAYOUTS) if format else RankingLayout()
    roles = columns_by_role(columns, ROLES)
    return RankingReader(
        replace(
            layout,
            query=roles.get("query", layout.query),
            candidate=roles.get("candidate", layout.candidate),
            relevance=roles.get("relevance", layout.relevance),
            query_id=roles.get("query_id", layout.query_id),
            is_numbered=are_numbers(roles.values()),
        )
    )


@dataclass(frozen=True)
class RankingReader:
    """Reads queries of one layout.

    Attributes:
        layout: where their parts are.
        metric: what such files are judged by: they do not say.
    """

    layout: RankingLayout
    metric: str | None = None

    def read(
        self, path: Path, *, needs_labels: bool = True, keep_rows: bool = False
    ) -> Iterator[Query]:
        """Yield the queries of a file in their order; see :meth:`Reader.read`.

        The candidates of a query are in rows that follow each other; or a row lists them all, and
        is a query by itself.
        """
        kind = self.layout.kind or kind_of(path)
        table = read_rows(path, kind, names=self.layout.names)
        first = next(table, None)
        if first is None:
            raise DataError("a header and no rows.", path=path)
        layout = self._found_columns(path, first, needs_labels=needs_labels)
        found: list[Row] = []
        seen: dict[Any, int] = {}
        for row in chain([first], table):
            listed = _listed(path, row, layout)
            name = _name(path, row, layout)
            if found and (listed or name != _name(path, found[0], layout)):
                yield _query(path, found, layout, needs_labels=needs_labels, keep_rows=keep_rows)
                found = []
            if listed:
                yield _query(path, listed, layout, needs_labels=needs_labels, keep_rows=keep_rows)
                continue
            if not found and seen.setdefault(name, row.line) != row.line:
                raise DataError(
                    f"this query began in line {seen[name]}, and others stand between.",
                    path=path,
                    line=row.line,
                    column=layout.query_id or layout.query,
                    hint="Sort the file by its queries, or tell them apart with "
                    "--columns query_id=NAME.",
                )
            found.append(row)
        if found:
            yield _query(path, found, layout, needs_labels=needs_labels, keep_rows=keep_rows)

    def _found_columns(self, path: Path, row: Row, *, needs_labels: bool) -> RankingLayout:
        """Return the layout with the columns of this file, looked for in its first row."""
        layout, known = self.layout, list(row.values)
        if layout.candidate not in known and "candidates" in known:
            layout = replace(layout, candidate="candidates")
        if layout.query_id is None and "query_id" in known:
            layout = replace(layout, query_id="query_id")
        wanted = {layout.query: "query", layout.candidate: "candidate"}
        wanted |= {layout.query_id: "query_id"} if layout.query_id else {}
        wanted |= {layout.relevance: "relevance"} if needs_labels else {}
        check_columns(path, known, wanted)
        return layout


def _name(path: Path, row: Row, layout: RankingLayout) -> Any:
    """Return what tells a query from others."""
    name = row.values.get(layout.query_id or layout.query)
    if isinstance(name, bool | float) or not isinstance(name, str | int) or name == "":
        raise DataError(
            f"a query is told by a text or a whole number, found {name!r:.40}.",
            path=path,
            line=row.line,
            column=layout.query_id or layout.query,
        )
    return name


def _query(
    path: Path, rows: list[Row], layout: RankingLayout, *, needs_labels: bool, keep_rows: bool
) -> Query:
    query = text_of(path, rows[0], layout.query)
    for row in rows[1:]:
        if row.values.get(layout.query) != query:
            raise DataError(
                f"another text than in line {rows[0].line}, and the same query by its "
                f"{layout.query_id}.",
                path=path,
                line=row.line,
                column=layout.query,
            )
    return Query(
        query,
        tuple(text_of(path, row, layout.candidate) for row in rows),
        tuple(_relevance(path, row, layout.relevance) for row in rows) if needs_labels else None,
        tuple(row.values for row in rows) if keep_rows else None,
        rows[0].line,
    )


def _relevance(path: Path, row: Row, column: str) -> float:
    number = number_of(path, row, column)
    if number < 0:
        raise DataError(
            f"relevance is at least 0, found {number:g}.",
            path=path,
            line=row.line,
            column=column,
            hint="0 is irrelevant; what was judged worse than that counts as 0 too: write 0.",
        )
    return number


def _listed(path: Path, row: Row, layout: RankingLayout) -> list[Row]:
    """Return a row that lists all candidates as one row for each; nothing if it lists none."""
    texts, grades = row.values.get(layout.candidate), row.values.get(layout.relevance)
    if not isinstance(texts, list):
        return []
    if grades is None:
        grades = [None] * len(texts)
    if not texts or not isinstance(grades, list) or len(grades) != len(texts):
        found = len(grades) if isinstance(grades, list) else "no list"
        raise DataError(
            "a list of candidates and one of their relevance are expected, found "
            f"{len(texts)} and {found}.",
            path=path,
            line=row.line,
            column=layout.candidate,
        )
    rows = []
    for text, grade in zip(texts, grades, strict=True):
        own = {layout.candidate: text}
        own |= {layout.relevance: grade} if layout.relevance in row.values else {}
        rows.append(Row(row.line, {**row.values, **own}))
    return rows
