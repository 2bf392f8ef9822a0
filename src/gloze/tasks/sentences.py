"""Sentences with a tag for each word, from files in columns, segmented text or tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast, get_args

from gloze.core.errors import ConfigError, DataError, nearest
from gloze.tasks.conll import CONLLU, Block, column_number, read_blocks, read_segmented
from gloze.tasks.formats import parse_columns
from gloze.tasks.json_files import words_in
from gloze.tasks.lines import check_file
from gloze.tasks.tables import Kind, Row, read_rows
from gloze.text.compression import COMPRESSED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# conll: columns of any kind; cws: words with spaces between them; the others are tables.
Layout = Literal["conll", "conllu", "cws", "jsonl", "parquet", "csv"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
_SUFFIXES: dict[str, Layout] = {
    ".conllu": "conllu",
    ".conllup": "conllu",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".csv": "csv",
}
# Which columns are meant where a person names none.
_PLAIN: dict[Layout, dict[str, str]] = {
    "conll": {"word": "0", "tag": "-1"},
    "conllu": {"word": "form", "tag": "upos"},
    "jsonl": {"word": "words", "tag": "tags", "document": "document"},
    "parquet": {"word": "words", "tag": "tags", "document": "document"},
    "csv": {"word": "words", "tag": "tags", "document": "document"},
}


@dataclass(frozen=True)
class Sentence:
    """Words in a row, with the tag of each if they are known.

    Attributes:
        words: as written; of segmented text its characters.
        tags: as written in the file, as many.
        document: number of the document in its file; None if the file marks none.
        line: of the file, from 1, where the sentence begins; of a Parquet file the row.
        lines: of each word, where words have lines of their own.
        text: as given, if it was given as one text.
        is_segmented: whether the words are characters, and the tags say where words begin.
        row: what a table of answers begins with; None if it was not asked for.
        block: the lines in the file, of text and of columns; None if it was not asked for.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...] | None = None
    document: int | None = None
    line: int = 0
    lines: tuple[int, ...] = ()
    text: str | None = None
    is_segmented: bool = False
    row: dict[str, Any] | None = None
    block: Block | None = field(default=None, repr=False)

    def line_of(self, word: int) -> int:
        """Return the line of a word in its file."""
        return self.lines[word] if self.lines else self.line


@dataclass(frozen=True, kw_only=True)
class SentenceReader:
    """How files of tagged sentences are read.

    Attributes:
        layout: of the files; None to tell by their names: .conllu, .jsonl, .parquet, .csv, and
            columns under any other name.
        columns: a person's names of columns by their roles.
    """

    ROLES: ClassVar[tuple[str, ...]] = ("word", "tag", "document")

    layout: Layout | None = None
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def metric(self) -> str | None:
        """What such files are judged by: words of segmented text; else the tags tell."""
        return "f1" if self.layout == "cws" else None

    def read(
        self, path: Path, *, needs_labels: bool = True, keep_rows: bool = False
    ) -> Iterator[Sentence]:
        """Yield the sentences of a file in their order, in memory bounded by the longest.

        Args:
            path: plain or compressed; ``-`` is standard input.
            needs_labels: refuse sentences without tags; otherwise tags are not looked at.
            keep_rows: keep what is needed to write the sentence out again.

        Raises:
            DataError: naming file, line and column of the first thing that is wrong.
        """
        path, count = Path(path), 0
        check_file(path)
        layout = self.layout or layout_of(path)
        read = {"conll": self._columns, "conllu": self._columns, "cws": self._segmented}
        for sentence in read.get(layout, self._table)(path, layout, needs_labels, keep_rows):
            count += 1
            yield sentence
        if count == 0:
            raise DataError("not a single sentence.", path=path)

    def _column(self, role: str, layout: Layout) -> str:
        return self.columns.get(role, _PLAIN[layout][role])

    def _columns(
        self, path: Path, layout: Layout, needs_labels: bool, keep_rows: bool
    ) -> Iterator[Sentence]:
        is_conllu = layout == "conllu"
        for block in read_blocks(path, is_conllu=is_conllu):
            names = block.names or (CONLLU if is_conllu else ())
            word, tag = (
                self._number(path, block, self._column(role, layout), names)
                for role in ("word", "tag")
            )
            if word is None or (needs_labels and tag in (None, word)):
                role = "word" if word is None else "tag"
                raise DataError(
                    f"there is no column of {role}s: the lines have {len(block.cells[0])}, "
                    "counted from 0.",
                    path=path,
                    line=block.line_of(0),
                    hint=f"Say which is meant with --columns {role}=NUMBER.",
                )
            words = _filled(path, block, word, "word")
            tags = None if tag in (None, word) else _filled(path, block, tag, "tag")
            yield Sentence(
                words,
                tags if needs_labels else None,
                block.document,
                block.line_of(0),
                tuple(map(block.line_of, range(len(words)))),
                row=_row(words, tags) if keep_rows else None,
                block=block if keep_rows else None,
            )

    def _number(self, path: Path, block: Block, column: str, names: Sequence[str]) -> int | None:
        try:
            return column_number(column, names, len(block.cells[0]))
        except DataError as error:
            line = block.line_of(0)
            raise DataError(error.reason, path=path, line=line, column=column) from None

    def _segmented(
        self, path: Path, layout: Layout, needs_labels: bool, keep_rows: bool
    ) -> Iterator[Sentence]:
        for block in read_segmented(path):
            (words,) = block.cells
            yield Sentence(
                tuple("".join(words)),
                tuple("".join(map(word_tags, words))) if needs_labels else None,
                line=block.line_of(0),
                is_segmented=True,
                row={"text": block.lines[block.words[0]]} if keep_rows else None,
                block=block if keep_rows else None,
            )

    def _table(
        self, path: Path, layout: Layout, needs_labels: bool, keep_rows: bool
    ) -> Iterator[Sentence]:
        word, tag, document = (self._column(role, layout) for role in self.ROLES)
        number, last = -1, None
        for row in read_rows(path, cast("Kind", layout)):
            words = _texts(path, row, word)
            if not words:
                raise DataError("a sentence without words.", path=path, line=row.line, column=word)
            tags = _texts(path, row, tag) if needs_labels else None
            if tags is not None and len(tags) != len(words):
                raise DataError(
                    f"{len(words)} words and {len(tags)} tags.",
                    path=path,
                    line=row.line,
                    column=tag,
                    hint="Every word has one tag.",
                )
            if (own := row.values.get(document)) is not None and own != last:
                number, last = number + 1, own
            yield Sentence(
                words,
                tags,
                None if own is None else number,
                row.line,
                row=row.values if keep_rows else None,
            )


def word_tags(word: str) -> str:
    """Return a tag for each character of a word: S, or B, any I, E."""
    return "S" if len(word) == 1 else "B" + "I" * (len(word) - 2) + "E"


def _filled(path: Path, block: Block, column: int, role: str) -> tuple[str, ...]:
    values = tuple(cells[column] for cells in block.cells)
    for number, value in enumerate(values):
        if not value:
            line = block.line_of(number)
            raise DataError(f"the {role} is empty.", path=path, line=line, column=column)
    return values


def _row(words: Sequence[str], tags: Sequence[str] | None) -> dict[str, Any]:
    return {"words": list(words), **({} if tags is None else {"tags": list(tags)})}


def _texts(path: Path, row: Row, column: str) -> tuple[str, ...]:
    """Return a list of texts; one text is cut at its spaces."""
    if column not in row.values:
        raise DataError(
            f"no such column. {nearest(column, row.values)}Columns found: {', '.join(row.values)}.",
            path=path,
            line=row.line,
            column=column,
            hint="Name yours with --columns word=NAME,tag=NAME.",
        )
    value = row.values[column]
    values = words_in(value) if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
        raise DataError(
            f"a list of texts is expected, found {value!r:.60}.",
            path=path,
            line=row.line,
            column=column,
        )
    return tuple(values)


def layout_of(path: Path) -> Layout:
    """Return the layout of a file by its name; columns if the name says nothing."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return _SUFFIXES.get(suffixes[-1] if suffixes else "", "conll")


def find_reader(
    format: str | None = None, columns: str | dict[str, str] | None = None
) -> SentenceReader:
    """Return the reader of a layout with a person's own columns put in.

    Args:
        format: one of ``LAYOUTS``; None to go by the file's name.
        columns: like ``word=0,tag=3`` or ``tag=xpos``, or the same as a dict.

    Raises:
        ConfigError: naming the nearest layout or role if one is unknown.
    """
    if format is not None and format not in LAYOUTS:
        raise ConfigError(
            f"Unknown format {format!r}. {nearest(format, LAYOUTS)}Known: {', '.join(LAYOUTS)}."
        )
    chosen = parse_columns(columns) if isinstance(columns, str) else dict(columns or {})
    for role in chosen:
        if role not in SentenceReader.ROLES:
            raise ConfigError(
                f"--columns: unknown role {role!r}. {nearest(role, SentenceReader.ROLES)}"
                f"Known: {', '.join(SentenceReader.ROLES)}."
            )
    if chosen and format == "cws":
        raise ConfigError("--columns: segmented text (cws) has no columns.")
    return SentenceReader(layout=format, columns=chosen)


def as_sentences(inputs: Sequence[Any]) -> list[Sentence]:
    """Return sentences made in Python: lists of words, or texts cut at their spaces.

    Raises:
        ConfigError: if they are neither.
    """
    if isinstance(inputs, str):
        raise ConfigError("predict takes a list of sentences; put the sentence into a list.")
    return [_sentence(given) for given in inputs]


def in_characters(sentence: Sentence) -> Sentence:
    """Return a sentence that was given as one text, cut into its characters without spaces."""
    if sentence.text is None:
        return sentence
    return Sentence(tuple("".join(sentence.words)), text=sentence.text, is_segmented=True)


def _sentence(given: Any) -> Sentence:
    if isinstance(given, str):
        return Sentence(tuple(given.split()), text=given)
    if not isinstance(given, list | tuple) or not all(isinstance(w, str) for w in given):
        raise ConfigError(f"predict takes lists of words, or texts, not {given!r:.80}.")
    return Sentence(tuple(given))
