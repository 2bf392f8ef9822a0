"""Counts of words that stand together, on disk: in tiles of frequent and rare words."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError, DataError
from gloze.core.files import read_json
from gloze.core.manifest import verify_manifest, write_manifest
from gloze.data.array_file import ArrayFile, array_file, map_array, release
from gloze.kernels.pairs import Tiles, tell_apart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INDEX = "counts.json"
ARRAYS = PLACES, VALUES, STARTS, SUMS, IDS = (
    "places.npy",
    "values.npy",
    "starts.npy",
    "sums.npy",
    "ids.npy",
)
Floats = npt.NDArray[np.float32]
Array = npt.NDArray[Any]
# A tile has at least 1024 words to a side, and there are at most 128 to a side.
_LEAST_BITS, _MOST_TILES = 10, 7
# A place in a tile has 32 binary digits.
_MOST_WORDS = 1 << 23
# A piece of a tile has an eighth of its rows.
_STRIP_BITS = 3
_STRIPS = 1 << _STRIP_BITS
# Pairs that are sorted at a time.
_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Layout:
    """Where the pair of two words lies, by their ranks: the most frequent word has rank 0.

    Attributes:
        words: number of them.
        is_symmetric: whether a pair is kept once, the lower rank first.
    """

    words: int
    is_symmetric: bool

    def __post_init__(self) -> None:
        if self.words > _MOST_WORDS:
            raise ConfigError(
                f"{self.words:,} words are too many to count pairs of; lower tokenizer.vocab_size "
                f"to {_MOST_WORDS:,} or less."
            )

    @property
    def bits(self) -> int:
        """Binary digits of a word's place in its tile."""
        return max(_LEAST_BITS, (self.words - 1).bit_length() - _MOST_TILES)

    @property
    def shift(self) -> int:
        """Binary digits of a tile's column."""
        return ((self.words - 1) >> self.bits).bit_length()

    @property
    def across(self) -> int:
        """Tiles to a side."""
        return ((self.words - 1) >> self.bits) + 1

    def keys(self, first: Array, second: Array) -> npt.NDArray[np.uint64]:
        """Return a number for each pair; they rise tile by tile, and in a tile row by row."""
        inside = (1 << self.bits) - 1
        tiles = ((first >> self.bits) << self.shift) | (second >> self.bits)
        places = ((first & inside) << self.bits) | (second & inside)
        return (tiles.astype(np.uint64) << np.uint64(2 * self.bits)) | places.astype(np.uint64)

    def words_at(self, tile: int, places: npt.NDArray[np.uint32]) -> tuple[Array, Array]:
        """Return the two words of each pair of a tile, by rows of tiles, from its places in it."""
        rows, columns = divmod(tile, self.across)
        wide = places.astype(np.int64)
        inside = wide & ((1 << self.bits) - 1)
        return (rows << self.bits) | (wide >> self.bits), (columns << self.bits) | inside


@dataclass(frozen=True)
class Tile:
    """The counts of some words with some others.

    Attributes:
        first, second: which words, by rank, int64 [pairs].
        values: how often they meet, over 0, [pairs].
    """

    first: Array
    second: Array
    values: Floats


@dataclass(frozen=True)
class Piece:
    """Some rows of a tile.

    Attributes:
        tile: its number, by rows of tiles.
        pairs: which of all pairs.
        strips: which eighths of which rows and columns of tiles its words are in, a bit each.
        errors: pairs, where those of two words that are kept once count twice.
    """

    tile: int
    pairs: slice
    strips: int
    errors: int


class PairCounts:
    """Counts of pairs of words in a folder, mapped.

    Attributes:
        layout: of the pairs.
        ids: token of each rank, [words].
        sums: of all counts of each word as first and as second one, float64 [2, words].
        tokens: of the text they were counted in.
    """

    def __init__(self, folder: Path) -> None:
        """Open and check.

        Raises:
            DataError: naming the file that is missing, cut or altered.
        """
        verify_manifest(folder)
        index = read_json(folder / INDEX)
        self.layout = Layout(index["words"], index["is_symmetric"])
        self.tokens = int(index["tokens"])
        found = [map_array(folder / name) for name in ARRAYS]
        self._places, self._values, self._starts = found[:3]
        self.sums, self.ids = np.asarray(found[3]), np.asarray(found[4])
        if len(self._places) != self._starts[-1] or self.sums.shape[1] != self.layout.words:
            raise DataError("its arrays do not fit each other.", path=folder)

    def __len__(self) -> int:
        return len(self._places)

    def sizes(self) -> npt.NDArray[np.int64]:
        """Return how many pairs each tile has, by rows of tiles, [tiles]."""
        return np.diff(self._starts)

    def tile(self, number: int) -> Tile:
        """Return a tile, by rows of tiles."""
        own = slice(*self._starts[number : number + 2])
        words = self.layout.words_at(number, np.asarray(self._places[own]))
        return Tile(*words, np.asarray(self._values[own]))

    def pieces(self, most: int) -> list[Piece]:
        """Return all tiles with pairs, those of over ``most`` in up to eight pieces by rows."""
        bits, across = self.layout.bits, self.layout.across
        cuts = np.arange(1, _STRIPS).astype(np.uint32) << np.uint32(2 * bits - _STRIP_BITS)
        every = (1 << _STRIPS) - 1
        found = []
        for number in np.flatnonzero(self.sizes()).tolist():
            row, column = divmod(number, across)
            begin, end = (int(at) for at in self._starts[number : number + 2])
            places = np.asarray(self._places[begin:end])
            inner = np.searchsorted(places, cuts) if end - begin > most else np.zeros(0, np.int64)
            bounds = [0, *inner.tolist(), end - begin]
            for strip, (low, high) in enumerate(pairwise(bounds)):
                rows = 1 << strip if len(inner) else every
                errors = high - low
                if self.layout.is_symmetric:
                    own = places[low:high] if row == column else places[:0]
                    same = own >> bits == own & np.uint32((1 << bits) - 1)
                    errors = 2 * errors - int(np.count_nonzero(same))
                if high > low:
                    strips = rows << _STRIPS * row | every << _STRIPS * column
                    found.append(Piece(number, slice(begin + low, begin + high), strips, errors))
        self.release()
        return found

    def places(self, piece: Piece) -> tuple[npt.NDArray[np.uint32], Floats]:
        """Return the places in its tile of the pairs of a piece, and their counts."""
        return np.asarray(self._places[piece.pairs]), np.asarray(self._values[piece.pairs])

    def release(self) -> None:
        """Give back the memory of what was read."""
        release(self._places)
        release(self._values)

    def rows(self, *, second: bool = False) -> Iterator[tuple[Array, Array, Floats]]:
        """Yield the counts of some words after some others, both halves of them.

        Args:
            second: go by the second word of each pair.

        Yields:
            Of each pair the word, rising, the other one, rising for each word, and their count.
        """
        across, side = self.layout.across, 1 << self.layout.bits
        is_both = self.layout.is_symmetric
        for row in range(across):
            first = range(row * across, (row + 1) * across)
            other = range(row, across**2, across)
            parts = [(number, False) for number in first if not second or is_both]
            parts += [(number, True) for number in other if second or is_both]
            for low, high in pairwise(self._strips(parts, row * side)):
                found = [self._lines(*part, low, high) for part in parts]
                words, others, values = (np.concatenate(each) for each in zip(*found, strict=True))
                self.release()
                order = np.lexsort((others, words))
                yield words[order], others[order], values[order]

    def _strips(self, parts: list[tuple[int, bool]], begin: int) -> list[int]:
        """Return where to cut the words of some tiles so that few pairs are sorted at a time."""
        side = 1 << self.layout.bits
        if self.sizes()[[number for number, _ in parts]].sum() <= _AT_ONCE:
            return [begin, begin + side]
        sizes = np.zeros(side, np.int64)
        for part in parts:
            words, _, _ = self._lines(*part, begin, begin + side)
            sizes += np.bincount(words - begin, minlength=side)
        cuts = np.searchsorted(np.cumsum(sizes), np.arange(_AT_ONCE, sizes.sum(), _AT_ONCE)) + 1
        return [begin, *(begin + np.unique(cuts)).tolist(), begin + side]

    def _lines(self, number: int, flip: bool, low: int, high: int) -> tuple[Array, Array, Floats]:
        """Return the pairs of a tile whose word is in a range.

        Args:
            number: of the tile.
            flip: the second words are the ones that are gone by.
            low: first word.
            high: the one after the last.
        """
        tile = self.tile(number)
        words, others = (tile.second, tile.first) if flip else (tile.first, tile.second)
        kept = (words >= low) & (words < high)
        if flip and self.layout.is_symmetric:
            # A word beside itself is counted once.
            kept &= words != others
        return words[kept], others[kept], tile.values[kept]


class PairWriter:
    """Takes counts of pairs with rising keys; see :func:`writing_pairs`."""

    def __init__(self, layout: Layout, places: ArrayFile, values: ArrayFile, one: int) -> None:
        self.layout, self._places, self._values, self._one = layout, places, values, one
        self.sizes = np.zeros(layout.across**2, np.int64)
        self.sums = np.zeros((2, layout.words), np.uint64)

    def add(self, keys: npt.NDArray[np.uint64], counts: npt.NDArray[np.uint64]) -> None:
        """Append pairs."""
        layout = self.layout
        places, values = np.empty(len(keys), np.uint32), np.empty(len(keys), np.float32)
        tiles = Tiles(layout.bits, layout.shift, layout.across)
        how = tiles, self._one, layout.is_symmetric
        tell_apart(keys, counts, *how, places, values, self.sizes, self.sums)
        self._places.add(places)
        self._values.add(values)


@contextmanager
def writing_pairs(
    folder: Path, layout: Layout, one: int, ids: Array, tokens: int
) -> Iterator[PairWriter]:
    """Yield what takes the counts of a folder that :class:`PairCounts` opens.

    Args:
        folder: a new one.
        layout: of the pairs.
        one: how many units of counts are 1.
        ids: token of each rank, [words].
        tokens: of the text.
    """
    with (
        array_file(folder / PLACES, np.uint32) as places,
        array_file(folder / VALUES, np.float32) as values,
    ):
        writer = PairWriter(layout, places, values, one)
        yield writer
    starts = np.append(0, np.cumsum(writer.sizes))
    for name, numbers in ((STARTS, starts), (SUMS, writer.sums / one), (IDS, ids)):
        with array_file(folder / name, numbers.dtype, numbers.shape[1:]) as file:
            file.add(numbers)
    known = {"words": layout.words, "is_symmetric": layout.is_symmetric, "tokens": tokens}
    (folder / INDEX).write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    write_manifest(folder)
