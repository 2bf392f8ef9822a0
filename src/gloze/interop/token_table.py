"""Word vectors as the beginning of an encoder's token table."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from gloze.core.errors import DataError
from gloze.interop.word_vectors import Row, Vector, VectorFile
from gloze.vectors.folder import ARRAYS, is_vectors, load_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import nn

    from gloze.tokenizers import Tokenizer

_ROWS_AT_ONCE = 1 << 14


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
        path: of word vectors: a folder of ours, or see :class:`VectorFile`.

    Raises:
        DataError: if the file cannot be used, its vectors are of another size than the table's,
            or it has no word of the vocabulary.
    """
    # What a run depends on is noted by its file.
    folder = path.parent if path.name == ARRAYS else path
    file = TableRows(folder) if is_vectors(folder) else VectorFile(path)
    if file.size != table.embedding_dim:
        raise DataError(
            f"vectors of {file.size} numbers, and the encoder's have {table.embedding_dim}.",
            path=path,
            hint=f"Give vectors of {table.embedding_dim}, or pre-train an encoder with "
            f"encoder.hidden_size={file.size} (encoder.embedding_size of nnlm).",
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


class TableRows:
    """The rows of a folder of ours, as those of a :class:`VectorFile`."""

    def __init__(self, path: Path) -> None:
        self.path, self._table = path, load_vectors(path)
        self.size = self._table.size

    def rows(self) -> Iterator[Row]:
        """Yield the rows."""
        return (Row(number, word, b"") for number, word in enumerate(self._table.words, start=1))

    def vector(self, row: Row) -> Vector:
        """Return the numbers of a row."""
        return np.array(self._table.vectors[row.number - 1], np.float32)

    def error(self, number: int, reason: str) -> DataError:
        """Return the error that names a row."""
        return DataError(f"word {number}: {reason}", path=self.path)


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


def _rows_by_token(file: VectorFile | TableRows, tokenizer: Tokenizer) -> dict[int, Row]:
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
