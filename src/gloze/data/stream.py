"""The endless stream of steps: which samples, in which order, cut into which batches."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from gloze.core.batch import Batch, Ints, Step
from gloze.core.errors import ConfigError, DataError
from gloze.core.ranks import Ranks
from gloze.core.rng import shuffled
from gloze.data.collate import collate_parts, cut_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from gloze.core.contracts import Objective, Source
    from gloze.data.order import Lanes

_SAMPLES_AT_ONCE = 1 << 20
_STEPS_AHEAD = 4


@dataclass(frozen=True, kw_only=True)
class StepSize:
    """How much one update sees.

    Attributes:
        tokens: most tokens of a step; or
        sequences: sequences of a step.
        micro_batch_tokens: most tokens computed at once, for memory's sake; changes no result
            but the random draws of dropout.
    """

    tokens: int | None = None
    sequences: int | None = None
    micro_batch_tokens: int = 8192

    def __post_init__(self) -> None:
        if (self.tokens is None) == (self.sequences is None):
            raise ConfigError(
                "Set one of training.batch_tokens and training.batch_size, not both or neither."
            )


class Stream:
    """Samples of a source as steps, shuffled over the whole epoch.

    A step is a pure function of (seed, epoch, number): it can be made by any worker, in any
    order, and training can start at any of them.

    Args:
        size: of a step, whatever the number of processes.
        shuffle: or the order of the source.
        lanes: read the source at as many places side by side as a step has sequences, each going
            on where it was: from its start, or ``backward`` from its end. Not shuffled.
        ranks: each of them gets a share of every step, of about as many tokens.
    """

    def __init__(
        self,
        source: Source,
        objectives: Sequence[Objective],
        *,
        size: StepSize,
        seed: int,
        workers: int = 1,
        shuffle: bool = True,
        lanes: Lanes | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        if lanes and size.sequences is None:
            raise ConfigError(
                "Text is read on at as many places as a step has sequences: set "
                "training.batch_size in place of training.batch_tokens."
            )
        self.source, self.size, self.seed, self.lanes = source, size, seed, lanes
        self._most = size.sequences or 1
        self.ranks = ranks or Ranks()
        self.objectives = objectives
        self.workers, self.shuffle = workers, shuffle
        self._edges = lru_cache(maxsize=2)(self._cut)

    def num_steps(self, epoch: int) -> int:
        """Return how many steps ``epoch`` has."""
        return len(self._edges(epoch)) - 1

    def read(self, epoch: int = 0, number: int = 0) -> Iterator[Step]:
        """Return the steps from this one on, epoch after epoch, without end.

        Raises:
            DataError: if there is not a single sample.
        """
        if self.num_steps(epoch) == 0:
            raise DataError("There is nothing to train on: not a single sequence.")
        return _ahead(self.step, self._positions(epoch, number, epochs=None), self.workers)

    def read_epoch(self, epoch: int = 0) -> Iterator[Step]:
        """Return the steps of one epoch."""
        return _ahead(self.step, self._positions(epoch, 0, epochs=1), self.workers)

    def step(self, epoch: int, number: int) -> Step:
        """Make one step: cut its samples, ask the questions, lay them end to end."""
        indices, lanes = self._members(epoch, number)
        lengths = np.asarray(self.source.lengths(epoch))[indices]
        # Alike lengths side by side spare the attention kernel work, and dealt out in turn they
        # give each process as much; the sum is the same. A lane stays with its process.
        places = np.arange(len(indices))
        order, turn = (np.lexsort((indices, lengths)), places) if lanes is None else (places, lanes)
        rank, size = self.ranks.rank, self.ranks.size
        most = self.size.micro_batch_tokens
        shares = [order[turn % size == each] for each in range(size)]
        parts = [len(cut_parts(lengths[share], most)) for share in shares]
        own, num_labels = self._batches(epoch, indices, lanes, shares[rank])
        num_idle = max(parts) - parts[rank]
        idle = self._batches(epoch, indices, None, order[:1])[0] * num_idle if num_idle else []
        return Step(epoch, number, own, num_labels, int(lengths.sum()), idle)

    def _members(self, epoch: int, number: int) -> tuple[Ints, Ints | None]:
        """Return the samples of a step, and their lanes where they have some."""
        if self.lanes is None:
            edges = self._edges(epoch)
            return self._order(epoch, np.arange(edges[number], edges[number + 1])), None
        edges = np.arange(self._most + 1) * len(self.source.lengths(epoch)) // self._most
        starts, ends = edges[:-1], edges[1:]
        found = starts + number if self.lanes == "forward" else ends - 1 - number
        lanes = np.flatnonzero((found >= starts) & (found < ends))
        return found[lanes], lanes

    def _batches(
        self, epoch: int, indices: Ints, lanes: Ints | None, share: Ints
    ) -> tuple[list[Batch], dict[str, int]]:
        """Return a share of these samples as micro-batches, and the labels of each objective."""
        if not len(share):
            return [], {}
        samples = self.source.samples(epoch, indices[share])
        if lanes is not None:
            samples = replace(samples, lanes=lanes[share])
        for objective in self.objectives:
            samples = objective.label(samples)
        # A sampler may know answers that nobody asks for.
        samples = samples.with_answers_to({objective.name for objective in self.objectives})
        batches = list(collate_parts(samples, self.size.micro_batch_tokens))
        return batches, {name: len(labels) for name, labels in samples.labels.items()}

    def _positions(self, epoch: int, number: int, epochs: int | None) -> Iterator[tuple[int, int]]:
        last = None if epochs is None else epoch + epochs
        while last is None or epoch < last:
            for position in range(number, self.num_steps(epoch)):
                yield epoch, position
            epoch, number = epoch + 1, 0

    def _order(self, epoch: int, positions: Ints) -> Ints:
        if not self.shuffle:
            return positions
        return shuffled(positions, len(self.source.lengths(epoch)), self.seed, epoch)

    def _cut(self, epoch: int) -> Ints:
        """Return where each step of ``epoch`` begins in its order, and the end of the last."""
        lengths = self.source.lengths(epoch)
        count = len(lengths)
        if self.lanes:
            # As many as the longest lane has sequences.
            return np.arange(-(-count // self._most) + 1)
        if self.size.tokens is None:
            return np.r_[np.arange(0, count, self.size.sequences), count]
        edges, filled = [0], 0
        for first in range(0, count, _SAMPLES_AT_ONCE):
            block = np.arange(first, min(first + _SAMPLES_AT_ONCE, count))
            ends = np.cumsum(np.asarray(lengths)[self._order(epoch, block)], dtype=np.int64)
            limit = self.size.tokens - filled
            while (reached := int(np.searchsorted(ends, limit, side="right"))) < len(ends):
                edges.append(max(first + reached, edges[-1] + 1))
                before = edges[-1] - first
                limit = (int(ends[before - 1]) if before else 0) + self.size.tokens
            filled = int(ends[-1]) - (limit - self.size.tokens)
        return np.array([*edges, count] if edges[-1] < count else edges)


def _ahead(
    make: Callable[[int, int], Step], positions: Iterable[tuple[int, int]], workers: int
) -> Iterator[Step]:
    """Make the steps in order, some of them ahead of their use on ``workers`` threads."""
    if workers == 0:
        for epoch, number in positions:
            yield make(epoch, number)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="gloze-data") as pool:
        waiting: deque[Future[Step]] = deque()
        try:
            for epoch, number in positions:
                waiting.append(pool.submit(make, epoch, number))
                if len(waiting) > _STEPS_AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
