"""How well another form of a model agrees with it: the cosines of their vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gloze.data.collate import end_to_end

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from gloze.core.batch import Batch, Ints

Vectors = npt.NDArray[np.float32]


def vectors_of(run: Callable[[Batch], Tensor], sequences: Sequence[Ints], at_once: int) -> Vectors:
    """Return a vector for each sequence, computed so many at a time.

    Args:
        run: a batch to one vector for each sequence.
        sequences: token ids of each.
        at_once: sequences of a batch.
    """
    vectors = []
    for first in range(0, len(sequences), at_once):
        part = sequences[first : first + at_once]
        ids = np.concatenate(part)
        lengths = np.array([len(sequence) for sequence in part])
        vectors.append(run(end_to_end(ids, np.zeros_like(ids), lengths)).numpy())
    return np.concatenate(vectors)


def cosines(one: Vectors, other: Vectors) -> npt.NDArray[np.float64]:
    """Return the cosine of each vector with its counterpart."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / norms)
