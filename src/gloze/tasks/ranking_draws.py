"""Which candidates a ranking is learned from in an epoch."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from gloze.core.ranges import ranges
from gloze.core.rng import Keys, mix, sample_keys

if TYPE_CHECKING:
    from gloze.core.batch import Ints, Samples
    from gloze.tasks.encoded import EncodedExamples

Loss = Literal["pointwise", "pairwise"]


class _Draw(NamedTuple):
    """The samples of an epoch: the sequences of all, how many of each, their labels."""

    sequences: Ints
    sizes: Ints
    labels: npt.NDArray[np.generic]


class DrawnCandidates:
    """A source of training samples: relevant candidates and, anew each epoch, irrelevant ones.

    For ``pointwise`` a sample is a candidate, labelled 1 or 0. For ``pairwise`` it is a relevant
    candidate, the first, with irrelevant ones of its query after it; a query that lacks either
    has no sample. The draw depends on seed and epoch alone.

    Args:
        encoded: all candidates, with their relevance as labels.
        loss: which of the two.
        negatives: at most so many irrelevant ones for each relevant one; None for all. A query
            without a relevant one gives as many as if it had one.
    """

    def __init__(self, encoded: EncodedExamples, loss: Loss, negatives: int | None) -> None:
        assert encoded.sizes is not None
        assert encoded.labels is not None
        self.name, self.seed, self.loss = encoded.name, encoded.seed, loss
        self.negatives = negatives
        self.sequences = replace(encoded, sizes=None, labels=None, positions=None)
        is_relevant = encoded.labels.astype(np.float32) > 0
        numbers = np.split(np.arange(len(is_relevant)), np.cumsum(encoded.sizes)[:-1])
        self.queries = [(own[is_relevant[own]], own[~is_relevant[own]]) for own in numbers]
        self._drawn = lru_cache(maxsize=2)(self._draw)

    def lengths(self, epoch: int) -> Ints:
        """Return the tokens of every sample of ``epoch``, [samples]."""
        draw = self._drawn(epoch)
        tokens = self.sequences.sequence_lengths[draw.sequences]
        return (
            np.add.reduceat(tokens, np.cumsum(draw.sizes) - draw.sizes) if len(tokens) else tokens
        )

    def samples(self, epoch: int, indices: Ints) -> Samples:
        """Return these samples of ``epoch``."""
        draw = self._drawn(epoch)
        sizes = draw.sizes[indices]
        starts = (np.cumsum(draw.sizes) - draw.sizes)[indices]
        found = self.sequences.samples(epoch, draw.sequences[ranges(starts, sizes)])
        own = replace(found, indices=indices, sizes=sizes if self.loss == "pairwise" else None)
        return own.with_labels(self.name, draw.labels[indices])

    def _draw(self, epoch: int) -> _Draw:
        keys = sample_keys(self.seed, epoch, np.arange(len(self.sequences)))
        return self._pairs(keys) if self.loss == "pairwise" else self._points(keys)

    def _pairs(self, keys: Keys) -> _Draw:
        samples = [
            np.r_[relevant, self._some(irrelevant, mix(keys[irrelevant], int(relevant)), 1)]
            for own, irrelevant in self.queries
            if len(irrelevant)
            for relevant in own
        ]
        sizes = np.array([len(sample) for sample in samples], dtype=np.int64)
        sequences = np.concatenate([np.zeros(0, dtype=np.int64), *samples])
        # The relevant one is the first of each.
        return _Draw(sequences, sizes, np.zeros(len(samples), dtype=np.int64))

    def _points(self, keys: Keys) -> _Draw:
        relevant = np.concatenate([own for own, _ in self.queries])
        irrelevant = [self._some(rest, keys[rest], max(len(own), 1)) for own, rest in self.queries]
        sequences = np.r_[relevant, np.concatenate(irrelevant)]
        labels = (np.arange(len(sequences)) < len(relevant)).astype(np.float32)
        return _Draw(sequences, np.ones_like(sequences), labels)

    def _some(self, numbers: Ints, keys: Keys, times: int) -> Ints:
        """Return at most ``negatives`` x ``times`` of some sequences, those of the lowest keys."""
        if self.negatives is None:
            return numbers
        return numbers[np.argsort(keys, kind="stable")[: self.negatives * times]]
