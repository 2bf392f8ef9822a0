"""Tables of word vectors: how their rows begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from gloze.vectors.table import WordVectors

Table = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
# Rows are as wide as fills the widest vector unit: 16 numbers.
_LANES = 16


def aligned_zeros(count: int, width: int) -> Table:
    """Return zeros that begin at the start of a line of memory: reading over two takes longer."""
    room = np.zeros(count * width + _LANES, np.float32)
    begin = -(room.ctypes.data // room.itemsize) % _LANES
    return room[begin : begin + count * width].reshape(count, width)


def random_rows(draws: np.random.Generator, count: int, size: int) -> Table:
    """Return small random vectors of ``size`` numbers, rows being filled up with zeros."""
    found = aligned_zeros(count, -(-size // _LANES) * _LANES)
    found[:, :size] = (draws.random((count, size), dtype=np.float32) - 0.5) / size
    return found


def both_sets(vectors: WordVectors, rows: Rows) -> tuple[Table, Table | None]:
    """Return inner and outer vectors of a table's rows, sums of them taken apart.

    The outer ones are the table's ``context``, None if it has none.
    """
    found = np.array(vectors.vectors[rows], np.float32)
    if vectors.context is None:
        return found, None
    outer = np.asarray(vectors.context[rows])
    return found - outer if vectors.is_sum else found, outer
