"""Truncated SVD of a sparse matrix, by block Lanczos bidiagonalization with restarts.

After Golub, Luk and Overton (1981); restarts with the best vectors found as Baglama and Reichel
(2005) have it. All vectors are made orthogonal to all others, twice, so none comes twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gloze.core.rng import generator
from gloze.kernels.sparse import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
# Of the largest singular value: what vectors may be off by.
_TOLERANCE = 3e-6
# A matrix of up to so many numbers is better taken whole.
_SMALL = 1 << 22
_MOST_RESTARTS = 100


@dataclass(frozen=True)
class SVD:
    """The largest singular values and their vectors.

    Attributes:
        left: [rows, size].
        values: falling, [size].
        right: [columns, size].
        residual: how far ``matrix.T @ left`` is from ``right * values`` at most, as a share of
            the largest value.
    """

    left: Doubles
    values: Doubles
    right: Doubles
    residual: float


def dense_svd(matrix: Doubles, size: int) -> SVD:
    """Return the SVD of a small matrix."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return _turned(SVD(left[:, :size], values[:size], right[:size].T, 0.0))


def truncated_svd(
    multiply: Callable[[Floats], Floats],
    multiply_transposed: Callable[[Floats], Floats],
    shape: tuple[int, int],
    size: int,
    seed: int,
    told: Callable[[int], None],
) -> SVD:
    """Return the ``size`` largest singular values of a matrix and their vectors.

    Args:
        multiply: returns the matrix times :data:`COLUMNS` columns.
        multiply_transposed: returns its transpose times :data:`COLUMNS` columns.
        shape: of the matrix; both numbers well over ``size``.
        size: how many.
        seed: of the beginning.
        told: is called with the number of products so far.
    """
    room = min(3 * size + 16 * COLUMNS, *(n - COLUMNS for n in shape)) // COLUMNS * COLUMNS
    left, right = np.zeros((shape[0], room), np.float32), np.zeros((shape[1], room), np.float32)
    small = np.zeros((room, room))
    draws = generator("svd", seed)
    first = draws.standard_normal((shape[1], COLUMNS)).astype(np.float32)
    coming, _, _ = _orthonormal(first, right[:, :0], draws)
    used = products = 0
    for restart in range(_MOST_RESTARTS + 1):
        while used + COLUMNS <= room:
            own = slice(used, used + COLUMNS)
            right[:, own] = coming
            new, above, corner = _orthonormal(multiply(coming), left[:, :used], draws)
            left[:, own], small[:used, own], small[own, own] = new, above, corner
            used += COLUMNS
            coming, _, last = _orthonormal(multiply_transposed(new), right[:, :used], draws)
            products += 2
            told(products)
        x, values, y = np.linalg.svd(small[:used, :used])
        residual = np.linalg.norm(last @ x[used - COLUMNS :, :size], axis=0).max() / values[0]
        kept = slice(size if residual <= _TOLERANCE or restart == _MOST_RESTARTS else _kept(size))
        x, values, y = x[:, kept], values[kept], y.T[:, kept]
        best = left[:, :used] @ x.astype(np.float32), right[:, :used] @ y.astype(np.float32)
        if len(values) == size:
            break
        used = len(values)
        left[:, :used], right[:, :used] = best
        small[:used, :used] = np.diag(values)
    return _turned(SVD(best[0].astype(float), values, best[1].astype(float), float(residual)))


def _kept(size: int) -> int:
    """Return how many vectors a restart goes on with."""
    return -(-size // COLUMNS) * COLUMNS + 4 * COLUMNS


def _orthonormal(
    block: Floats, basis: Floats, draws: np.random.Generator
) -> tuple[Floats, Doubles, Doubles]:
    """Make columns orthogonal to a basis and to each other, of length 1.

    Columns that are nothing but what the others have are replaced by random ones.

    Returns:
        The new columns, and what the old ones were made of: of the basis and of the new ones.
    """
    size = np.linalg.norm(block, axis=0).max()
    above = np.zeros((basis.shape[1], block.shape[1]))
    for _ in range(2):
        part = basis.T @ block
        block = block - basis @ part
        above += part
    new, corner = _factored(block.astype(np.float64))
    is_lost = np.abs(np.diag(corner)) <= 1e-6 * size
    if is_lost.any():
        corner[is_lost] = 0
        new[:, is_lost] = draws.standard_normal((len(new), int(is_lost.sum())))
        for _ in range(2):
            new -= basis @ (basis.T @ new)
            new[:, is_lost] -= new[:, ~is_lost] @ (new[:, ~is_lost].T @ new[:, is_lost])
        kept = new[:, ~is_lost]
        new[:, is_lost] = np.linalg.qr(new[:, is_lost])[0]
        new[:, ~is_lost] = kept
    return new.astype(np.float32), above, corner


def _factored(block: Doubles) -> tuple[Doubles, Doubles]:
    """Return the QR decomposition of a tall matrix.

    By Cholesky decompositions of its columns' products, twice, which is as exact unless columns
    are nearly alike, and several times faster (Yamamoto et al. 2015).
    """
    new, corner = block, np.eye(block.shape[1])
    try:
        for _ in range(2):
            factor = np.linalg.cholesky(new.T @ new).T
            if np.abs(np.diag(factor)).min() < 1e-6 * np.abs(factor).max():
                return np.linalg.qr(block)
            new = new @ np.linalg.inv(factor)
            corner = factor @ corner
    except np.linalg.LinAlgError:
        return np.linalg.qr(block)
    return new, corner


def is_small(shape: tuple[int, int], size: int) -> bool:
    """Return whether a matrix is better taken whole."""
    return shape[0] * shape[1] <= _SMALL or min(shape) < 4 * size + 32 * COLUMNS


def _turned(found: SVD) -> SVD:
    """Turn vectors so that the largest number of each is positive: a sign is arbitrary."""
    places = np.abs(found.left).argmax(axis=0)
    signs = np.sign(found.left[places, np.arange(found.left.shape[1])])
    signs[signs == 0] = 1
    return SVD(found.left * signs, found.values, found.right * signs, found.residual)
