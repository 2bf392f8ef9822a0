"""Many ranges at once: the arithmetic of sequences laid end to end."""

from __future__ import annotations

import numpy as np

from gloze.core.batch import Ints


def places(lengths: Ints) -> Ints:
    """Return 0, 1, ... counted anew in each run: lengths 2, 3 give 0 1 0 1 2."""
    if len(lengths) == 1:
        return np.arange(int(lengths[0]))
    starts = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) - np.repeat(starts, lengths)


def ranges(starts: Ints, lengths: Ints) -> Ints:
    """Return the numbers of all ranges, one after the other: from each start, that many."""
    return np.repeat(starts, lengths) + places(lengths)
