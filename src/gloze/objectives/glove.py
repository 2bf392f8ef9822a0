"""GloVe (Pennington et al. 2014): products of vectors come to the logarithm of counts."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gloze.core.rng import derive, generator
from gloze.kernels.glove import Side, glove_tile
from gloze.objectives.rows import both_sets, random_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.data.pair_counts import PairCounts
    from gloze.objectives.counts import GloVeConfig
    from gloze.vectors.table import WordVectors

Table = npt.NDArray[np.float32]


class GloVe:
    """The two tables of GloVe and their biases, and how the counts change them.

    Rows are those of the counts: the most frequent word first.

    Attributes:
        size: numbers of a vector; rows are filled up with zeros.
        groups: tiles that are learned together, each about as many pairs.
    """

    def __init__(
        self,
        config: GloVeConfig,
        counts: PairCounts,
        *,
        size: int,
        seed: int,
        group_pairs: int,
        threads: int,
    ) -> None:
        """Begin with small random vectors.

        Args:
            config: of the weights.
            counts: to learn.
            size: numbers of a vector.
            seed: of the beginning and of every order.
            group_pairs: least pairs of a group but the last.
            threads: that learn tiles at a time. They are given tiles that have no words in
                common, in an order that does not depend on them: the result is the same.
        """
        self.size, self._config, self._counts = size, config, counts
        self._seed, self._threads = seed, threads
        words = counts.layout.words
        draws = generator("vectors", seed)
        self._sides = _begin(draws, words, size), _begin(draws, words, size)
        self.groups = self._grouped(group_pairs)
        self._errors = _errors(counts)

    @property
    def inner(self) -> Table:
        """Vectors of words as the first of a pair, [words, size]."""
        return self._sides[0].vectors[:, : self.size]

    @property
    def outer(self) -> Table:
        """Vectors of words as the second of a pair, [words, size]."""
        return self._sides[1].vectors[:, : self.size]

    def _grouped(self, pairs: int) -> list[npt.NDArray[np.int64]]:
        """Share tiles out at random, so that a group has frequent words and rare ones."""
        sizes = self._counts.sizes()
        order = generator("tiles", self._seed).permutation(np.flatnonzero(sizes))
        ends = np.cumsum(sizes[order])
        cuts = np.searchsorted(ends, np.arange(pairs, ends[-1] if len(ends) else 0, pairs)) + 1
        return [group for group in np.split(order, np.unique(cuts)) if len(group)]

    def pairs(self, group: int) -> int:
        """Return how many errors a group has; a pair of different words counts both ways."""
        return int(self._errors[self.groups[group]].sum())

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return all that training changes, by name."""
        names = "inner", "outer"
        return {
            f"{name}.{field}": getattr(side, field)
            for name, side in zip(names, self._sides, strict=True)
            for field in Side._fields
        }

    def begin_with(self, vectors: WordVectors, words: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Give the words that have a vector in a table that one; return which do, [words].

        Args:
            vectors: of as many numbers.
            words: of the rows.
        """
        rows = vectors.words.rows(words)
        known = rows >= 0
        self.inner[known], outer = both_sets(vectors, rows[known])
        if outer is not None:
            self.outer[known] = outer
        return known

    def train(self, group: int, rate: float, epoch: int) -> tuple[float, int]:
        """Learn a group of tiles; return the summed loss and the number of errors."""
        order = generator("order", self._seed, epoch, group).permutation(self.groups[group])
        across, waiting = self._counts.layout.across, order.tolist()
        running: dict[Any, int] = {}
        losses: dict[int, float] = {}
        with ThreadPoolExecutor(self._threads) as pool:
            while waiting or running:
                while len(running) < self._threads:
                    free = _first_free(waiting, list(running.values()), across)
                    if free is None:
                        break
                    waiting.remove(free)
                    running[pool.submit(self._learn, free, rate, epoch)] = free
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    losses[running.pop(future)] = future.result()
        return sum(losses[number] for number in order.tolist()), self.pairs(group)

    def _learn(self, number: int, rate: float, epoch: int) -> float:
        tile = self._counts.tile(number)
        logs = np.log(tile.values)
        most, power = np.float32(self._config.x_max), np.float32(self._config.alpha)
        weights = np.exp(power * np.minimum(logs - np.log(most), 0))
        pairs = np.stack([tile.first, tile.second])
        state = np.array([derive("tile", self._seed, epoch, number) | 1], np.uint64)
        symmetric = self._counts.layout.is_symmetric
        how = np.float32(rate), state, symmetric
        return float(glove_tile(pairs, logs, weights, *self._sides, *how))


def _begin(draws: np.random.Generator, words: int, size: int) -> Side:
    vectors = random_rows(draws, words, size)
    biases = ((draws.random(words, dtype=np.float32) - 0.5) / size).astype(np.float32)
    return Side(vectors, biases, np.ones_like(vectors), np.ones_like(biases))


def _errors(counts: PairCounts) -> npt.NDArray[np.int64]:
    """Return how many errors each tile has, [tiles]."""
    sizes, across = counts.sizes(), counts.layout.across
    if counts.layout.is_symmetric:
        sizes *= 2
        for number in range(0, across**2, across + 1):
            tile = counts.tile(number)
            sizes[number] -= np.count_nonzero(tile.first == tile.second)
    return sizes


def _first_free(waiting: list[int], running: list[int], across: int) -> int | None:
    """Return the first tile that shares no words with any before it that is not done."""
    taken = {block for number in running for block in divmod(number, across)}
    for number in waiting:
        blocks = set(divmod(number, across))
        if not blocks & taken:
            return number
        taken |= blocks
        if len(taken) == across:
            return None
    return None
