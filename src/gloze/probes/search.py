"""Exact search for the nearest vectors, in blocks, so that they may be larger than memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCK_NUMBERS = 1 << 23

Vectors = npt.NDArray[np.floating[Any]]


def unit_length(vectors: Vectors) -> npt.NDArray[np.float32]:
    """Return the vectors, [..., size], at length 1; a vector of zeros stays one."""
    wide: npt.NDArray[np.float32] = np.array(vectors, dtype=np.float32)
    norms = np.linalg.norm(wide, axis=-1, keepdims=True)
    wide /= np.where(norms > 0, norms, 1)
    return wide


def cosines(
    vectors: Vectors, query: npt.NDArray[np.float32], rows: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.float32]:
    """Return the products of some rows, of all by default, with a query, [rows].

    Of vectors at length 1 these are the cosines. They may be memory-mapped and in half
    precision; products are in single precision.
    """
    count = len(vectors) if rows is None else len(rows)
    found = np.empty(count, dtype=np.float32)
    step = max(1, _BLOCK_NUMBERS // max(1, vectors.shape[1]))
    for start in range(0, count, step):
        own = slice(start, start + step)
        block = vectors[own] if rows is None else vectors[rows[own]]
        found[own] = block.astype(np.float32) @ query
    return found
