"""Word vectors in the files of word2vec and GloVe: text and binary, plain or compressed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt
import torch

from gloze.core.errors import DataError
from gloze.text.compression import open_binary
from gloze.text.lines import BOM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import nn

    from gloze.tokenizers import Tokenizer

Vector = npt.NDArray[np.float32]
_MAX_SIZE, _MAX_WORD_BYTES, _MAX_LINE_BYTES = 1 << 16, 1 << 12, 1 << 21
_ROWS_AT_ONCE = 1 << 14


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
        if len(parts) == 2 and all(part.isdigit() for part in parts):
            self.count, self.size = int(parts[0]), int(parts[1])
        else:
            self.size = len(head.rstrip().split(b" ")) - 1
        self.is_binary = self.count is not None and not _is_text(after)
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
            if len(numbers) < self.size or not word:
                count = max(len(line.split()) - 1, 0)
                raise self.error(
                    number, f"{self.size} numbers expected after a word, found {count}."
                )
            yield Row(number, self._word(number, word), b" ".join(numbers))

    def _binary_rows(self, file: BinaryIO) -> Iterator[Row]:
        file.readline()
        for number in range(1, (self.count or 0) + 1):
            word = bytearray()
            while (byte := file.read(1)) not in (b" ", b"") and len(word) < _MAX_WORD_BYTES:
                word += byte
            written = file.read(4 * self.size)
            if byte != b" " or len(written) < 4 * self.size:
                raise self.error(number, "cut off, or no word vector.")
            yield Row(number, self._word(number, bytes(word.lstrip(b"\n"))), written)
        if file.read(2).strip():
            raise self.error((self.count or 0) + 1, "more words than the first line says.")

    def _word(self, number: int, word: bytes) -> str:
        try:
            return word.decode("utf-8")
        except UnicodeDecodeError:
            raise self.error(number, f"the word is not UTF-8: {word[:60]!r}.") from None

    def vector(self, row: Row) -> Vector:
        """Return the numbers of a row.

        Raises:
            DataError: if they are no numbers, or not finite.
        """
        if self.is_binary:
            vector = np.frombuffer(row.written, dtype="<f4").astype(np.float32)
        else:
            try:
                vector = np.array(row.written.split(b" "), dtype=np.float32)
            except ValueError as error:
                raise self.error(row.number, f"{row.word!r} has no numbers ({error}).") from None
        if not np.isfinite(vector).all():
            raise self.error(row.number, f"{row.word!r} has numbers that are not finite.")
        return vector


def _is_text(data: bytes) -> bool:
    try:
        # The last character may be cut.
        data[: data.rfind(b" ") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in data


@dataclass(frozen=True)
class Coverage:
    """What a file of word vectors gave to a table of tokens.

    Attributes:
        path: of the file.
        filled: tokens that got a vector.
        whole_words: tokens of the vocabulary that are whole words, special ones not counted.
        scale: by which all numbers were multiplied.
    """

    path: Path
    filled: int
    whole_words: int
    scale: float

    def __str__(self) -> str:
        share = self.filled / max(self.whole_words, 1)
        return (
            f"{self.path}: vectors for {self.filled:,} of {self.whole_words:,} whole-word tokens "
            f"({share:.1%}), times {self.scale:.3g}; all other tokens stay as they were."
        )


def fill_token_table(table: nn.Embedding, tokenizer: Tokenizer, path: Path) -> Coverage:
    """Give the tokens that are whole words the vectors that a file has for them.

    Every word of the file is cut as text is: if one token comes of it, the vector is that
    token's. Of several such words, like ``The`` and ``the`` of an uncased vocabulary, the one
    written as the token is taken, else the first. All numbers are multiplied by one factor that
    gives them the spread of those they replace, so that positions, which are added, still count.

    Args:
        table: of the encoder, changed in place.
        tokenizer: whose tokens they are.
        path: of word vectors; see :class:`VectorFile`.

    Raises:
        DataError: if the file cannot be used, its vectors are of another size than the table's,
            or it has no word of the vocabulary.
    """
    file = VectorFile(path)
    if file.size != table.embedding_dim:
        raise DataError(
            f"vectors of {file.size} numbers, and the encoder's have {table.embedding_dim}.",
            path=path,
            hint=f"Give vectors of {table.embedding_dim}, or pre-train an encoder with "
            f"encoder.hidden_size={file.size}.",
        )
    rows = _rows_by_token(file, tokenizer)
    if not rows:
        raise DataError("not one of its words is a token of the vocabulary.", path=path)
    numbers = torch.tensor(list(rows))
    vectors = torch.from_numpy(np.stack([file.vector(row) for row in rows.values()]))
    with torch.no_grad():
        spread = vectors.square().mean().sqrt()
        scale = float(table.weight[numbers].square().mean().sqrt() / spread) if spread else 1.0
        table.weight[numbers] = (vectors * scale).to(table.weight)
    return Coverage(path, len(rows), _count_whole_words(tokenizer), scale)


def _count_whole_words(tokenizer: Tokenizer) -> int:
    """Return how many tokens some word is cut to alone."""
    tokens = np.arange(tokenizer.vocab_size)
    words = [tokenizer.decode([token]).strip() for token in tokens.tolist()]
    found = _only_tokens(tokenizer, words)
    return int(np.count_nonzero(found == tokens))


def _only_tokens(tokenizer: Tokenizer, words: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the token that each word is cut to; -1 where it is several, none, or a special one."""
    ids, lengths = tokenizer.encode([f" {word}" for word in words])
    firsts = np.append(ids, -1)[np.cumsum(lengths) - lengths]
    is_plain = (lengths == 1) & ~np.isin(firsts, tokenizer.special_ids)
    return np.where(is_plain, firsts, -1)


def _rows_by_token(file: VectorFile, tokenizer: Tokenizer) -> dict[int, Row]:
    """Return for each token, in ascending order, the row whose vector it gets."""
    found: dict[int, Row] = {}
    lines: dict[str, int] = {}
    every = file.rows()
    while rows := list(islice(every, _ROWS_AT_ONCE)):
        tokens = _only_tokens(tokenizer, [row.word for row in rows]).tolist()
        for row, token in zip(rows, tokens, strict=True):
            if token < 0:
                continue
            if row.word in lines:
                raise file.error(row.number, f"{row.word!r} again, after {lines[row.word]:,}.")
            lines[row.word] = row.number
            if token not in found or tokenizer.tokens([token])[0] == row.word:
                found[token] = row
    return dict(sorted(found.items()))
