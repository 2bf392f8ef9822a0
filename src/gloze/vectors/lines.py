"""What all sets that judge word vectors share: lines of a file, words without their capitals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gloze.core.errors import DataError
from gloze.text.compression import open_binary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from gloze.vectors.table import WordVectors
    from gloze.vectors.words import Rows

_MAX_LINE_BYTES = 1 << 16


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines that are not blank, of a file compressed or not.

    Raises:
        DataError: if the file cannot be read as UTF-8 text.
    """
    with open_binary(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE_BYTES), b""), start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError:
                raise DataError("not UTF-8.", path=path, line=number) from None
            if text:
                yield number, text


def look_up(vectors: WordVectors, words: Sequence[str]) -> Rows:
    """Return the row of each word of a text, -1 where there is none, as :func:`fold` does.

    Where capitals are lost when texts are cut, there is nothing to fold.
    """
    return fold(vectors, words) if vectors.cut.cased else vectors.words.rows(words)


def fold(vectors: WordVectors, words: Sequence[str]) -> Rows:
    """Return the row of each word as it is written, else of the first that differs in case alone.

    Words without either get -1.
    """
    rows = vectors.words.rows(words)
    if (rows < 0).any():
        folded = vectors.words.folded
        for place in np.flatnonzero(rows < 0).tolist():
            rows[place] = folded.get(words[place].lower(), -1)
    return rows
