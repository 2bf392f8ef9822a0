"""word2vec on several threads with the same bytes every time: each learns on copies of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gloze.data.window import Block
from gloze.kernels.together import bring_together

if TYPE_CHECKING:
    from gloze.objectives.word2vec_tables import Word2Vec

# The greatest slope of a logistic function.
_SLOPE = 0.25


class Rounds:
    """Tables that learn from the parts of a block at a time.

    After a block the changes of all copies are added, but for rows that each copy alone would
    bring a good way to where their loss is least: added up, their changes would go past it. A row
    that is met n times at rate r is left with exp(-c) of its way, c being r n / 4 times the square
    of the vectors it is multiplied with; with T copies the parts they go add up to what T times
    as many meetings in a row would go if scaled by (1 - exp(-T c)) / (T (1 - exp(-c))): 1 for
    rare rows, a mean for the most frequent.
    """

    def __init__(self, tables: Word2Vec, threads: int) -> None:
        """Make room for a copy of both tables for each thread."""
        self.tables, self._threads = tables, threads
        whole = tables.inner, tables.outer
        self._copies = [np.empty((threads, *table.shape), np.float32) for table in whole]
        self._met = tables.met()

    def train(
        self, block: Block, rates: tuple[float, float], *names: int
    ) -> npt.NDArray[np.float64]:
        """Learn from a block, as :meth:`Word2Vec.train` does."""
        parts = split(block, self._threads)
        ends = np.cumsum([0, *(len(part.tokens) for part in parts)])
        steps = rates[0] + (rates[1] - rates[0]) * ends / max(1, ends[-1])
        with ThreadPoolExecutor(self._threads) as pool:
            work = [
                pool.submit(self._learn, number, part, (float(begin), float(end)), names)
                for number, (part, (begin, end)) in enumerate(
                    zip(parts, pairwise(steps), strict=True)
                )
            ]
            sums = np.sum([future.result() for future in work], axis=0)
            self._bring_together(pool, rates[0], max(len(part.tokens) for part in parts))
        return sums

    def _learn(
        self, number: int, part: Block, rates: tuple[float, float], names: tuple[int, ...]
    ) -> npt.NDArray[np.float64]:
        own = self._copies[0][number], self._copies[1][number]
        for copy, table in zip(own, (self.tables.inner, self.tables.outer), strict=True):
            copy[...] = table
        return self.tables.train(part, rates, *names, number, tables=own)

    def _bring_together(self, pool: ThreadPoolExecutor, rate: float, tokens: int) -> None:
        work = []
        whole = self.tables.inner, self.tables.outer
        squares = [
            float(np.einsum("ij,ij,i->", table, table, met) / max(met.sum(), 1e-9))
            for table, met in zip(whole, self._met, strict=True)
        ]
        for table, copies, met, others in zip(
            whole, self._copies, self._met, squares[::-1], strict=True
        ):
            scales = scales_of(_SLOPE * rate * tokens * met * others, self._threads)
            cuts = np.linspace(0, len(table), self._threads + 1).astype(int).tolist()
            work += [
                pool.submit(bring_together, table, copies, scales, begin, end)
                for begin, end in pairwise(cuts)
            ]
        for future in work:
            future.result()


def scales_of(way: npt.NDArray[np.float64], copies: int) -> npt.NDArray[np.float32]:
    """Return what the changes of rows are scaled by; ``way`` is c of :class:`Rounds`, [rows]."""
    way = np.maximum(way, 1e-9)
    found: Any = np.expm1(-copies * way) / (copies * np.expm1(-way))
    return found.astype(np.float32)


def split(block: Block, parts: int) -> list[Block]:
    """Cut a block between sentences, as evenly as they are long; some parts may be empty."""
    wanted = np.linspace(0, len(block.tokens), parts + 1)[1:-1]
    cuts = [0, *np.searchsorted(block.ends, wanted).tolist(), len(block.ends)]
    found = []
    for first, last in pairwise(cuts):
        begin = int(block.ends[first - 1]) if first else 0
        end = int(block.ends[last - 1]) if last else 0
        found.append(Block(block.tokens[begin:end], block.ends[first:last] - begin))
    return found
