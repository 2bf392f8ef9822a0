"""Sentences in columns: a line for each word, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gloze.core.errors import DataError, nearest
from gloze.tasks.lines import read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONLLU: tuple[str, ...] = (
    "id",
    "form",
    "lemma",
    "upos",
    "xpos",
    "feats",
    "head",
    "deprel",
    "deps",
    "misc",
)
_DOCUMENT = "-DOCSTART-"
_NAMES = "# global.columns ="
_WORD_ID, _OTHER_ID = re.compile(r"[1-9]\d*"), re.compile(r"\d+[-.]\d+")
_SPACES = re.compile("[ \t]+")
_HINT = "Every word has a line with the same columns; a blank line ends a sentence."


@dataclass
class Block:
    """A sentence as its file has it.

    Attributes:
        lines: all since the sentence before, blank ones and comments too; of the last sentence
            also those after it.
        words: of these, which are words.
        cells: the columns of each word.
        number: of the first line in the file, from 1.
        document: number of its document; None before the first mark of one.
        names: of the columns, if the layout has them.
        separator: between columns.
    """

    number: int
    document: int | None
    lines: list[str] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    names: tuple[str, ...] = ()
    separator: str = " "

    def line_of(self, word: int) -> int:
        """Return the line of a word in the file."""
        return self.number + self.words[word]

    @staticmethod
    def is_mark(line: str) -> bool:
        """Return whether a line begins a document."""
        return line.startswith(_DOCUMENT)


def read_blocks(path: Path, *, is_conllu: bool) -> Iterator[Block]:
    """Yield the sentences of a file in columns, in memory bounded by the longest.

    Columns are parted by tabs if the first line of a word has one, else by spaces or tabs.
    ``-DOCSTART-`` lines begin a document. In CoNLL-U comments, multi-word tokens (``1-2``) and
    empty nodes (``1.1``) are no words, and ``# newdoc`` begins a document.

    Raises:
        DataError: at the first line that has other columns than those before it.
    """
    columns = _ConlluColumns(path) if is_conllu else _Columns(path)
    return _with_rest(_blocks(path, columns))


def read_segmented(path: Path) -> Iterator[Block]:
    """Yield each line of a text that has words, with the blank lines before it as its block."""
    return _with_rest(_line_blocks(path))


def _blocks(path: Path, columns: _Columns) -> Iterator[Block]:
    """Yield the sentences, and what stands after them as a block without words."""
    block = Block(1, None)
    for number, text in read_lines(path):
        is_blank = not text.strip(" \t")
        if block.words and (is_blank or columns.ends_sentence(text)):
            yield block
            block = Block(number, block.document)
        if not is_blank:
            columns.take(block, number, text)
        block.lines.append(text)
    yield block


def _line_blocks(path: Path) -> Iterator[Block]:
    block = Block(1, None)
    for number, text in read_lines(path):
        block.lines.append(text)
        if words := text.split():
            block.words.append(len(block.lines) - 1)
            block.cells.append(words)
            yield block
            block = Block(number + 1, None)
    yield block


def _with_rest(blocks: Iterator[Block]) -> Iterator[Block]:
    """Yield the blocks that have words, lines after the last of them put to it."""
    last = None
    for block in blocks:
        if block.words:
            if last is not None:
                yield last
            last = block
        elif last is not None:
            last.lines += block.lines
    if last is not None:
        yield last


class _Columns:
    """Cuts lines into columns, of which there are as many as in the first of them."""

    names: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.width = len(self.names)
        self.has_tabs: bool | None = None

    def ends_sentence(self, text: str) -> bool:
        """Return whether a line that is not blank ends the sentence before it."""
        return Block.is_mark(text)

    def take(self, block: Block, number: int, text: str) -> None:
        """Put the next line, not yet among the lines of the block, to its words if it is one."""
        if block.is_mark(text):
            _begin_document(block)
        else:
            self.add(block, self.cut(number, text))

    def add(self, block: Block, cells: list[str]) -> None:
        """Add a word."""
        block.names, block.separator = self.names, "\t" if self.has_tabs else " "
        block.words.append(len(block.lines))
        block.cells.append(cells)

    def cut(self, number: int, text: str) -> list[str]:
        """Return the cells of a line.

        Raises:
            DataError: if there are more or fewer than before.
        """
        if self.has_tabs is None:
            self.has_tabs = "\t" in text
        cells = text.split("\t") if self.has_tabs else _SPACES.split(text.strip(" \t"))
        self.width = self.width or len(cells)
        if len(cells) != self.width:
            parted = "tabs" if self.has_tabs else "spaces"
            raise DataError(
                f"{len(cells)} columns parted by {parted}, and {self.width} are expected.",
                path=self.path,
                line=number,
                hint=_HINT,
            )
        return cells


class _ConlluColumns(_Columns):
    """Columns of CoNLL-U, or of CoNLL-U Plus, which names its own."""

    names: tuple[str, ...] = CONLLU

    def ends_sentence(self, text: str) -> bool:
        """Return False: here a blank line is needed, and words are numbered anew."""
        return False

    def take(self, block: Block, number: int, text: str) -> None:
        """Put the next line, not yet among the lines of the block, to its words if it is one."""
        if text.startswith(_NAMES):
            self.names = tuple(text[len(_NAMES) :].lower().split())
            self.width = len(self.names)
            if not self.names:
                raise DataError("no column is named.", path=self.path, line=number, hint=_HINT)
        elif text.startswith("# newdoc"):
            _begin_document(block)
        elif not self._is_comment(block, text):
            cells = self.cut(number, text)
            if self._has_ids:
                if _OTHER_ID.fullmatch(cells[0]):
                    return
                self._check_id(block, number, cells[0])
            self.add(block, cells)

    @property
    def _has_ids(self) -> bool:
        return self.names[0] == "id"

    def _is_comment(self, block: Block, text: str) -> bool:
        # Where words have no numbers a line within a sentence may begin with the word "#".
        return text.startswith("#") and (self._has_ids or not block.words)

    def _check_id(self, block: Block, number: int, cell: str) -> None:
        reason, hint = "", ""
        if not _WORD_ID.fullmatch(cell):
            reason = f"{cell!r:.40} is no number of a word."
            hint = "Is this CoNLL-U? Other files in columns are read by --format conll."
        elif cell == "1" and block.words:
            reason = "word 1 in the middle of a sentence."
            hint = "A blank line ends a sentence."
        if reason:
            raise DataError(reason, path=self.path, line=number, column="id", hint=hint)


def _begin_document(block: Block) -> None:
    block.document = 0 if block.document is None else block.document + 1


def column_number(column: str, names: Sequence[str], width: int) -> int | None:
    """Return the place of a column, from 0; None if there is none of that number.

    Args:
        column: its number, counted from 0 or, negative, from the end; or its name.
        names: of the columns, if the layout has any.
        width: how many there are.

    Raises:
        DataError: without a path, for a name that is not there.
    """
    if re.fullmatch(r"-?\d+", column):
        number = int(column)
        return number % width if -width <= number < width else None
    if column.lower() in names:
        return names.index(column.lower())
    known = ", ".join(names) or "none: count them from 0, or from the end with -1"
    raise DataError(f"no such column. {nearest(column, names)}Names: {known}.", column=column)
