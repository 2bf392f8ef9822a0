"""Word vectors in the files of word2vec and GloVe: text and binary, plain or compressed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gloze.core.errors import DataError
from gloze.text.compression import open_binary
from gloze.text.lines import BOM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


Vector = npt.NDArray[np.float32]
_FASTTEXT = struct.pack("<i", 793712314)  # the first bytes of its files
_MAX_SIZE, _MAX_WORD_BYTES, _MAX_LINE_BYTES = 1 << 16, 1 << 12, 1 << 21
_BYTES_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Row:
    """A word and its numbers, as they stand in the file.

    Attributes:
        number: its line in a text file, its place in a binary one, from 1.
        word: the word.
        written: its numbers, not yet read.
    """

    number: int
    word: str
    written: bytes


class VectorFile:
    """A file of word vectors: word2vec's text or binary form, or GloVe's text.

    word2vec begins with how many words there are and of how many numbers; GloVe has no such
    line. What it is, is told by its content. Rows are read one after the other; numbers only
    when they are asked for.

    Attributes:
        path: of the file.
        size: numbers in a vector.
        count: words it says it has; None for GloVe.
        is_binary: whether numbers are float32 and not written out.

    Raises:
        DataError: if it is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_binary(path) as file:
            head = file.readline(_MAX_LINE_BYTES).removeprefix(BOM)
            after = file.read(1 << 12)
        parts = head.split()
        self.count: int | None = None
        if len(parts) == 2 and all(part.isdigit() and len(part) < 19 for part in parts):
            self.count, self.size = int(parts[0]), int(parts[1])
        else:
            self.size = len(head.rstrip().split(b" ")) - 1
        self.is_binary = self.count is not None and not _is_text(after)
        if head.startswith(_FASTTEXT):
            raise DataError(
                "fastText's own binary form, which is not read.",
                path=path,
                hint="Give the .vec file that fastText writes beside it.",
            )
        if not 1 <= self.size <= _MAX_SIZE:
            raise self.error(
                1,
                f"a word and its numbers expected, or how many of both; found {head[:60]!r}.",
                "Word vectors are read in word2vec's text and binary form and in GloVe's.",
            )

    def error(self, number: int, reason: str, hint: str = "") -> DataError:
        """Return the error that names a row."""
        if self.is_binary:
            return DataError(f"word {number}: {reason}", path=self.path, hint=hint)
        return DataError(reason, path=self.path, line=number, hint=hint)

    def rows(self) -> Iterator[Row]:
        """Yield the rows.

        Raises:
            DataError: at the first that is cut, or is no text, or has not as many numbers as the
                others; if there are more or fewer than the file says.
        """
        found = 0
        with open_binary(self.path) as file:
            for row in self._binary_rows(file) if self.is_binary else self._text_rows(file):
                found += 1
                yield row
        if self.count not in (None, found):
            raise DataError(
                f"{found:,} words, and its first line says {self.count:,}: is it cut?",
                path=self.path,
            )

    def _text_rows(self, file: BinaryIO) -> Iterator[Row]:
        for number, read in enumerate(iter(lambda: file.readline(_MAX_LINE_BYTES), b""), start=1):
            if number == 1 and self.count is not None:
                continue
            line = read.removeprefix(BOM) if number == 1 else read
            # A word may hold spaces, as some of GloVe's do; numbers do not.
            word, *numbers = line.rstrip().rsplit(b" ", self.size)
            if len(numbers) < self.size or not word or _ends_in_number(word):
                count = max(len(line.split()) - 1, 0)
                raise self.error(
                    number, f"{self.size} numbers expected after a word, found {count}."
                )
            yield Row(number, self._word(number, word), b" ".join(numbers))

    def _binary_rows(self, file: BinaryIO) -> Iterator[Row]:
        file.readline()
        width, read, place = 4 * self.size, b"", 0
        longest = width + _MAX_WORD_BYTES
        for number in range(1, (self.count or 0) + 1):
            if len(read) - place < longest:
                read, place = read[place:] + file.read(_BYTES_AT_ONCE + longest), 0
            space = read.find(b" ", place, place + _MAX_WORD_BYTES)
            end = space + 1 + width
            if space < 0 or end > len(read):
                raise self.error(number, "cut off, or no word vector.")
            word = self._word(number, read[place:space].lstrip(b"\n"))
            if not word:
                raise self.error(number, "a vector without a word.")
            yield Row(number, word, read[space + 1 : end])
            place = end
        if (read[place:] + file.read(2)).strip():
            raise self.error((self.count or 0) + 1, "more words than the first line says.")

    def _word(self, number: int, word: bytes) -> str:
        try:
            return word.decode("utf-8")
        except UnicodeDecodeError:
            raise self.error(number, f"the word is not UTF-8: {word[:60]!r}.") from None

    def vectors(self, rows: Sequence[Row]) -> Vector:
        """Return the numbers of some rows, [rows, size].

        Raises:
            DataError: if they are no numbers, or not finite; names the first such row.
        """
        shape = (len(rows), self.size)
        written = [row.written for row in rows]
        found: npt.NDArray[Any] | None
        if self.is_binary:
            found = np.frombuffer(b"".join(written), dtype="<f4").reshape(shape)
        else:
            found = _numbers(b" ".join(written), shape)
        if found is None or not _fits(found).all():
            return np.stack([self.vector(row) for row in rows])
        return found.astype(np.float32)

    def vector(self, row: Row) -> Vector:
        """Return the numbers of a row.

        Raises:
            DataError: if they are no numbers, or not finite.
        """
        if self.is_binary:
            vector = np.frombuffer(row.written, dtype="<f4").astype(np.float64)
        else:
            try:
                vector = np.array(row.written.split(b" "), dtype=np.float64)
            except ValueError as error:
                raise self.error(row.number, f"{row.word!r} has no numbers ({error}).") from None
        if not _fits(vector[None]).all():
            raise self.error(
                row.number, f"{row.word!r} has numbers that are not finite, or too large."
            )
        return vector.astype(np.float32)


def _fits(numbers: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return whether each row, and its length, is finite in float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(numbers.astype(np.float64), axis=1).astype(np.float32)
    return np.isfinite(lengths)


def _ends_in_number(word: bytes) -> bool:
    """Return whether what stands before the numbers ends in one more: a row that is too long."""
    _, space, last = word.rpartition(b" ")
    try:
        return bool(space) and np.isfinite(float(last))
    except ValueError:
        return False


def _numbers(written: bytes, shape: tuple[int, int]) -> npt.NDArray[np.float64] | None:
    """Return numbers that are parted by single spaces; None if they are anything else."""
    text = np.frombuffer(written, np.uint8)
    ends = np.append(np.flatnonzero(text == ord(" ")), len(text))
    if len(ends) != shape[0] * shape[1]:
        return None
    # Each number but the first begins one after the space that ends the one before.
    joined = np.delete(text, ends[:-1])
    offsets = np.append(0, ends - np.arange(len(ends))).astype(np.int64)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(joined.tobytes())]
    strings = pa.Array.from_buffers(pa.large_string(), len(ends), buffers)
    try:
        # By way of float64, as everybody reads them.
        found: npt.NDArray[np.float64] = strings.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return found.reshape(shape)


def _is_text(data: bytes) -> bool:
    try:
        # The last character may be cut.
        data[: data.rfind(b" ") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in data
