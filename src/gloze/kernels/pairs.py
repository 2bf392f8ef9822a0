"""The inner loop of counting which words stand together.

Frequent words meet most: pairs of ranks (a, b) with (a + 1) (b + 1) up to a limit have a place of
their own in an array (as in GloVe's program), the others are looked up in a hash table.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gloze.kernels.compiled import kernel, part


class Window(NamedTuple):
    """What is counted.

    Attributes:
        units: what a word at each distance counts, uint64 [size + 1].
        side: 0 counts both sides as one pair, the lower rank first, and a word with itself twice;
            -1 the words before each word, 1 those after it, the word itself first.
    """

    units: npt.NDArray[np.uint64]
    side: int


class Corner(NamedTuple):
    """Counts of frequent words.

    Attributes:
        widths: pairs with the second word under this are here, int64 [words of the corner].
        starts: where the pairs with second word 0 would lie, int64 [words of the corner].
        counts: uint64.
    """

    widths: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    counts: npt.NDArray[np.uint64]


class Tiles(NamedTuple):
    """How keys name tiles; see :class:`gloze.data.pair_counts.Layout`.

    Attributes:
        bits: of a word's place in its tile.
        shift: bits of the number of a tile's column.
        across: tiles to a side.
    """

    bits: int
    shift: int
    across: int


class Table(NamedTuple):
    """Counts of other pairs, by keys; open addressing.

    Attributes:
        keys: of pairs with one added, 0 where there is none, uint64 [a power of two].
        counts: uint64, as many.
        used: pairs in it, int64 [1].
        limit: most pairs it should have.
        bits: of the places in a tile of the pairs.
        shift: bits of the number of a tile's column.
    """

    keys: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.uint64]
    used: npt.NDArray[np.int64]
    limit: int
    bits: int
    shift: int


@part
def _add(table, a, b, units):  # type: ignore[no-untyped-def]
    """Add to a pair, whose key is that of :meth:`gloze.data.pair_counts.Layout.keys` and one."""
    bits, inside = table.bits, (1 << table.bits) - 1
    tile = ((a >> bits) << table.shift) | (b >> bits)
    place = ((a & inside) << bits) | (b & inside)
    key = (np.uint64(tile) << np.uint64(2 * bits) | np.uint64(place)) + np.uint64(1)
    last = len(table.keys) - 1
    slot = np.int64((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & last
    while table.keys[slot] != key and table.keys[slot] != 0:
        slot = (slot + 1) & last
    table.used[0] += table.keys[slot] == 0
    table.keys[slot] = key
    table.counts[slot] += units


@kernel
def gather(keys, counts):  # type: ignore[no-untyped-def]
    """Bring the pairs of a table to its front, their keys as they are; return how many there are.

    Args:
        keys: of :class:`Table`; changed, and what lies behind the pairs is of no meaning.
        counts: of the same, changed in the same way.
    """
    many = 0
    for slot in range(len(keys)):
        key = keys[slot]
        keys[many], counts[many] = key - np.uint64(1), counts[slot]
        many += key != 0
    return many


@kernel
def tell_apart(keys, counts, tile, one, is_symmetric, places, values, sizes, sums):  # type: ignore[no-untyped-def]
    """Write where pairs lie in their tiles, and add them to what is known of tiles and words.

    Args:
        keys: of pairs, uint64 [pairs].
        counts: of them, in units, uint64 [pairs].
        tile: of :class:`Tiles`.
        one: units of 1.
        is_symmetric: whether a pair of different words stands for the same turned round, too.
        places: uint32 [pairs]; changed.
        values: counts, float32 [pairs]; changed.
        sizes: of each tile, int64 [tiles]; changed.
        sums: units of each word as first and as second one, uint64 [2, words]; changed.
    """
    bits, inside = tile.bits, (1 << tile.bits) - 1
    for k in range(len(keys)):
        place = np.int64(keys[k] & np.uint64((1 << 2 * bits) - 1))
        number = np.int64(keys[k] >> np.uint64(2 * bits))
        row, column = number >> tile.shift, number & ((1 << tile.shift) - 1)
        places[k], values[k] = place, counts[k] / one
        sizes[row * tile.across + column] += 1
        first, second = row << bits | place >> bits, column << bits | place & inside
        sums[0, first] += counts[k]
        sums[1, second] += counts[k]
        if is_symmetric and first != second:
            sums[0, second] += counts[k]
            sums[1, first] += counts[k]


@kernel
def count_pairs(ranks, ends, start, window, corner, table):  # type: ignore[no-untyped-def]
    """Count the pairs whose later word is at ``start`` or behind it, until the table is full.

    Args:
        ranks: of the words, int32 [tokens].
        ends: where each sentence ends in them, int64 [sentences].
        start: where to begin.
        window: of :class:`Window`.
        corner: of :class:`Corner`; changed.
        table: of :class:`Table`; changed.

    Returns:
        Where to go on once the table has room; the number of tokens at the end.
    """
    size = len(window.units) - 1
    begin = 0
    for end in ends:
        for i in range(max(begin, start), end):
            if table.used[0] + size > table.limit:
                return i
            for d in range(1, min(size, i - begin) + 1):
                a, b = np.int64(ranks[i]), np.int64(ranks[i - d])
                units = window.units[d]
                if window.side == 0:
                    a, b = min(a, b), max(a, b)
                    if a == b:
                        units += units
                elif window.side > 0:
                    a, b = b, a
                if a < len(corner.widths) and b < corner.widths[a]:
                    corner.counts[corner.starts[a] + b] += units
                else:
                    _add(table, a, b, units)
        begin = end
    return len(ranks)
