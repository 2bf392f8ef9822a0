"""How much words have to do with each other, from counts: the matrix that an SVD is taken of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gloze.data.array_file import array_file, map_array, release
from gloze.kernels.sparse import COLUMNS, multiply_rows

if TYPE_CHECKING:
    from pathlib import Path

    from gloze.data.pair_counts import PairCounts
    from gloze.objectives.counts import SVDConfig

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Sparse:
    """A sparse matrix by rows; the arrays may be mapped.

    Attributes:
        starts: where each row begins in the others, int64 [rows + 1].
        columns: of the numbers that are not 0, rising in a row, int32.
        values: those numbers, float32.
    """

    starts: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int32]
    values: Floats

    def multiply(self, x: Floats, threads: int) -> Floats:
        """Return the matrix times some columns, [rows, COLUMNS]."""
        out = np.zeros((len(self.starts) - 1, COLUMNS), np.float32)
        # As many numbers for each thread.
        shares = np.linspace(0, self.starts[-1], threads + 1)
        cuts = np.searchsorted(self.starts, shares)
        cuts[0], cuts[-1] = 0, len(out)
        x = np.ascontiguousarray(x, np.float32)
        with ThreadPoolExecutor(threads) as pool:
            own: Any = (self.starts, self.columns, self.values, x, out)
            work = [pool.submit(multiply_rows, *own, *ends) for ends in pairwise(cuts.tolist())]
            for future in work:
                future.result()
        release(self.columns)
        release(self.values)
        return out

    def squares(self) -> float:
        """Return the sum of the squares of all numbers."""
        return float(np.einsum("i,i", self.values, self.values, dtype=np.float64))

    def dense(self) -> npt.NDArray[np.float64]:
        """Return a square matrix whole."""
        words = len(self.starts) - 1
        found = np.zeros((words, words))
        found[np.repeat(np.arange(words), np.diff(self.starts)), self.columns] = self.values
        return found


def association(
    counts: PairCounts, config: SVDConfig, folder: Path, *, transposed: bool = False
) -> Sparse:
    """Write the matrix of words by words around them to a folder, and map it.

    Args:
        counts: of the pairs.
        config: what becomes of them.
        folder: for the arrays.
        transposed: the words around are the rows.
    """
    name = "transposed" if transposed else "matrix"
    sizes = np.zeros(counts.layout.words, np.int64)
    weigh = _Weighting(counts, config)
    with (
        array_file(folder / f"{name}.columns.npy", np.int32) as columns,
        array_file(folder / f"{name}.values.npy", np.float32) as values,
    ):
        for words, others, met in counts.rows(second=transposed):
            first, second = (others, words) if transposed else (words, others)
            weights = weigh(first, second, met)
            kept = weights != 0
            columns.add(others[kept])
            values.add(weights[kept])
            sizes += np.bincount(words[kept], minlength=len(sizes))
    found = [map_array(folder / f"{name}.{kind}.npy") for kind in ("columns", "values")]
    return Sparse(np.append(0, np.cumsum(sizes)), *found)


class _Weighting:
    """Counts of pairs to weights."""

    def __init__(self, counts: PairCounts, config: SVDConfig) -> None:
        self._config = config
        first, second = counts.sums
        powers = second**config.context_power
        with np.errstate(divide="ignore"):
            # log(count * total / (first * second)), but for the count; smoothed shares add to 1.
            self._first = np.log(first) + np.log(config.shift)
            self._second = np.log(powers / powers.sum())

    def __call__(self, first: Array, second: Array, counts: Floats) -> npt.NDArray[np.float64]:
        kind, values = self._config.weighting, counts.astype(np.float64)
        if kind == "raw":
            return values
        if kind == "log":
            return np.log1p(values)
        found: npt.NDArray[np.float64] = np.log(values) - self._first[first] - self._second[second]
        return np.maximum(found, 0) if kind == "ppmi" else found
