"""Which words stand together, and how much each meeting counts."""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm
from typing import Literal

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError
from gloze.core.settings import Settings

Units = npt.NDArray[np.uint64]
_LONGEST = 1000
_LEAST_MEMORY = 16
# Weights that no common unit makes whole are rounded to this: an error of 1e-9.
_FINEST = 1 << 30


@dataclass(frozen=True, kw_only=True)
class CooccurrenceConfig(Settings):
    """Counts of the words around each word.

    Attributes:
        kind: of the sampler.
        size: most words to each side.
        weighting: how much a word d places away counts: ``flat`` 1; ``distance`` 1 / d
            (Pennington et al. 2014, 4.2); ``dynamic`` (size + 1 - d) / size, which is what
            word2vec's windows of random size come to.
        sides: ``both``, or only the words ``before`` or ``after``.
        within: what a window does not reach over: ``sentence`` or ``document``.
        memory_megabytes: that counting may take; what is over it is sorted and kept on disk.
    """

    kind: Literal["cooccurrence"] = "cooccurrence"
    size: int = 10
    weighting: Literal["flat", "distance", "dynamic"] = "distance"
    sides: Literal["both", "before", "after"] = "both"
    within: Literal["sentence", "document"] = "sentence"
    memory_megabytes: int = 1024

    def __post_init__(self) -> None:
        if not 1 <= self.size <= _LONGEST:
            raise ConfigError(f"sampler.size is {self.size}; it must be from 1 to {_LONGEST}.")
        if self.memory_megabytes < _LEAST_MEMORY:
            raise ConfigError(
                f"sampler.memory_megabytes is {self.memory_megabytes}; it must be at least "
                f"{_LEAST_MEMORY}."
            )

    def units(self) -> tuple[Units, int]:
        """Return how many units a word at each distance counts, [size + 1], and units of 1.

        Whole numbers: their sums do not depend on the order, nor on the number of threads.
        """
        distances = range(1, self.size + 1)
        if self.weighting == "flat":
            whole, one = [1] * self.size, 1
        elif self.weighting == "dynamic":
            whole, one = [self.size + 1 - d for d in distances], self.size
        else:
            one = min(lcm(*distances), _FINEST)
            whole = [(2 * one + d) // (2 * d) for d in distances]
        return np.array([0, *whole], np.uint64), one
