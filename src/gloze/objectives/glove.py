"""GloVe (Pennington et al. 2014): products of vectors come to the logarithm of counts."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gloze.core.rng import derive, generator
from gloze.kernels.glove import Origin, Side, glove_piece
from gloze.objectives.rows import aligned_zeros, both_sets, random_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gloze.data.pair_counts import PairCounts
    from gloze.objectives.counts import GloVeConfig
    from gloze.vectors.table import WordVectors

Table = npt.NDArray[np.float32]
# Tiles with more pairs are cut: else most of the time one thread learns the frequent words alone.
_PIECE_PAIRS = 1 << 16


class GloVe:
    """The two tables of GloVe and their biases, and how the counts change them.

    Rows are those of the counts: the most frequent word first.

    Attributes:
        size: numbers of a vector; rows are filled up with zeros.
        groups: pieces of tiles that are learned together, each about as many pairs.
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
            threads: that learn pieces at a time. They are given such as have no words in
                common, in an order that does not depend on them: the result is the same.
        """
        self.size, self._config, self._counts = size, config, counts
        self._seed, self._threads = seed, threads
        words = counts.layout.words
        draws = generator("vectors", seed)
        self._sides = _begin(draws, words, size), _begin(draws, words, size)
        self._pieces = counts.pieces(_PIECE_PAIRS)
        self.groups = self._grouped(group_pairs)

    @property
    def inner(self) -> Table:
        """Vectors of words as the first of a pair, [words, size]."""
        return self._sides[0].vectors[:, : self.size]

    @property
    def outer(self) -> Table:
        """Vectors of words as the second of a pair, [words, size]."""
        return self._sides[1].vectors[:, : self.size]

    def _grouped(self, pairs: int) -> list[npt.NDArray[np.int64]]:
        """Share pieces out at random, so that a group has frequent words and rare ones."""
        order = generator("tiles", self._seed).permutation(len(self._pieces))
        spans = [self._pieces[number].pairs for number in order]
        ends = np.cumsum([span.stop - span.start for span in spans])
        cuts = np.searchsorted(ends, np.arange(pairs, ends[-1] if len(ends) else 0, pairs)) + 1
        return [group for group in np.split(order, np.unique(cuts)) if len(group)]

    def pairs(self, group: int) -> int:
        """Return how many errors a group has; a pair of different words counts both ways."""
        return sum(self._pieces[number].errors for number in self.groups[group])

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
        """Learn a group of pieces; return the summed loss and the number of errors."""
        order = generator("order", self._seed, epoch, group).permutation(self.groups[group])
        waiting = order.tolist()
        running: dict[Any, int] = {}
        losses: dict[int, float] = {}
        with ThreadPoolExecutor(self._threads) as pool:
            while waiting or running:
                while len(running) < self._threads:
                    free = self._first_free(waiting, running.values())
                    if free is None:
                        break
                    waiting.remove(free)
                    running[pool.submit(self._learn, free, rate, epoch)] = free
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    losses[running.pop(future)] = future.result()
        self._counts.release()
        return sum(losses[number] for number in order.tolist()), self.pairs(group)

    def _first_free(self, waiting: list[int], running: Iterable[int]) -> int | None:
        """Return the first piece that shares no words with any before it that is not done."""
        taken = 0
        for number in running:
            taken |= self._pieces[number].strips
        for number in waiting:
            if not self._pieces[number].strips & taken:
                return number
            taken |= self._pieces[number].strips
        return None

    def _learn(self, number: int, rate: float, epoch: int) -> float:
        piece, layout = self._pieces[number], self._counts.layout
        places, values = self._counts.places(piece)
        logs = np.log(values)
        most, power = np.float32(self._config.x_max), np.float32(self._config.alpha)
        weights = np.exp(power * np.minimum(logs - np.log(most), 0))
        row, column = divmod(piece.tile, layout.across)
        tile = Origin(row << layout.bits, column << layout.bits, layout.bits)
        state = np.array([derive("piece", self._seed, epoch, number) | 1], np.uint64)
        how = np.float32(rate), state, layout.is_symmetric
        return float(glove_piece(places, tile, logs, weights, *self._sides, *how))


def _begin(draws: np.random.Generator, words: int, size: int) -> Side:
    vectors = random_rows(draws, words, size)
    biases = ((draws.random(words, dtype=np.float32) - 0.5) / size).astype(np.float32)
    squares = aligned_zeros(*vectors.shape)
    squares[:] = 1
    return Side(vectors, biases, squares, np.ones_like(biases))
