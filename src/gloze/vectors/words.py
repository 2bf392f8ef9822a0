"""The words of a table, in a form that can be mapped from a file and searched there."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Rows = npt.NDArray[np.int64]
Array = npt.NDArray[Any]
# Up to so many words at once are looked up one by one; for more, all words are read.
_FEW = 4096


class Words(Sequence[str]):
    """Different words, each by the number of its row.

    A word is found by halving among the rows in the order of their words' bytes, so that of a
    file of millions a few pages are read.

    Attributes:
        text: all words end to end in UTF-8, [bytes].
        ends: where each word ends in ``text``, [words].
        order: the rows by their words' bytes, [words].
    """

    def __init__(self, text: Array, ends: Array, order: Array) -> None:
        self.text, self.ends, self.order = text, ends, order

    @classmethod
    def of(cls, words: Iterable[str]) -> Words:
        """Return an index of some words, no two of them alike."""
        encoded = [word.encode() for word in words]
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        order = sorted(range(len(encoded)), key=encoded.__getitem__)
        text = np.frombuffer(b"".join(encoded), np.uint8)
        return cls(text, np.cumsum(lengths), np.array(order, np.int32))

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        return self._bytes(row % len(self)).decode()

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self.row(word) >= 0

    def _bytes(self, row: int) -> bytes:
        start = int(self.ends[row - 1]) if row else 0
        return self.text[start : int(self.ends[row])].tobytes()

    def row(self, word: str) -> int:
        """Return the row of a word, -1 if it has none."""
        try:
            wanted = word.encode()
        except UnicodeEncodeError:  # half of a surrogate pair is in no file
            return -1
        place = bisect_left(self.order, wanted, key=lambda row: self._bytes(int(row)))
        if place < len(self) and self._bytes(row := int(self.order[place])) == wanted:
            return row
        return -1

    def rows(self, words: Sequence[str]) -> Rows:
        """Return the row of each word, -1 where there is none, [words]."""
        if len(words) <= _FEW and "numbers" not in vars(self):
            return np.array([self.row(word) for word in words], np.int64)
        numbers = self.numbers
        return np.array([numbers.get(word, -1) for word in words], np.int64)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The row of every word; takes memory for all of them."""
        return {word: row for row, word in enumerate(self)}

    @cached_property
    def folded(self) -> Mapping[str, int]:
        """The row of every word in small letters, the first of those that differ in case alone."""
        found: dict[str, int] = {}
        for row, word in enumerate(self):
            found.setdefault(word.lower(), row)
        return found

    def __iter__(self) -> Iterator[str]:
        text, start = self.text.tobytes(), 0
        for end in self.ends.tolist():
            yield text[start:end].decode()
            start = end
