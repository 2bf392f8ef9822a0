"""The places of the highest scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def nearest(scores: npt.NDArray[np.float32], top: int) -> npt.NDArray[np.int64]:
    """Return the places of the highest scores, highest first; of equals the first."""
    some = np.arange(len(scores))
    if top < len(scores):
        # Of millions a few are sorted.
        some = np.flatnonzero(scores >= np.partition(scores, -top)[-top])
    return some[np.argsort(-scores[some], kind="stable")][:top]
