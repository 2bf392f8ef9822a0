"""The inner loop of GloVe (Pennington et al. 2014): weighted least squares by AdaGrad.

A tile of counts is gone through word by word, the words of its rows in random order and the others
of each in random order too: the rows of one word stay in the nearest memory, and in that order the
loss falls as it does when all counts are shuffled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gloze.kernels.compiled import kernel, part
from gloze.kernels.draws import below


class Side(NamedTuple):
    """The vectors of words, as first or as second one of a pair, with biases; all are changed.

    Attributes:
        vectors, biases: float32 [words, size] and [words].
        squares, bias_squares: of their gradients, summed, with one added: as many.
    """

    vectors: npt.NDArray[np.float32]
    biases: npt.NDArray[np.float32]
    squares: npt.NDArray[np.float32]
    bias_squares: npt.NDArray[np.float32]


@part
def _mix(order, begin, end, state):  # type: ignore[no-untyped-def]
    """Bring a part of an array into random order."""
    for i in range(end - 1, begin, -1):
        j = begin + below(state, i + 1 - begin)
        order[i], order[j] = order[j], order[i]


@part
def _step(x, y, i, j, error, rate):  # type: ignore[no-untyped-def]
    """Move the vectors and biases of a pair against their gradients.

    Squares are added up before they divide, so no step is longer than the rate.
    """
    for k in range(x.vectors.shape[1]):
        dx, dy = error * y.vectors[j, k], error * x.vectors[i, k]
        x.squares[i, k] += dx * dx
        y.squares[j, k] += dy * dy
        x.vectors[i, k] -= rate * dx / np.sqrt(x.squares[i, k])
        y.vectors[j, k] -= rate * dy / np.sqrt(y.squares[j, k])
    x.bias_squares[i] += error * error
    y.bias_squares[j] += error * error
    x.biases[i] -= rate * error / np.sqrt(x.bias_squares[i])
    y.biases[j] -= rate * error / np.sqrt(y.bias_squares[j])


@part
def _distance(x, y, i, j):  # type: ignore[no-untyped-def]
    found = x.biases[i] + y.biases[j]
    for k in range(x.vectors.shape[1]):
        found += x.vectors[i, k] * y.vectors[j, k]
    return found


@kernel
def glove_tile(pairs, logs, weights, x, y, rate, state, is_symmetric):  # type: ignore[no-untyped-def]
    """Learn the counts of a tile, and return its loss, half of each weighted squared error.

    Args:
        pairs: the words, those of the rows rising, int64 [2, pairs].
        logs: of their counts, float32 [pairs].
        weights: of their errors, float32 [pairs].
        x: vectors of first words, a :class:`Side`.
        y: of second ones.
        rate: learning rate.
        state: of the random numbers, uint64 [1]; changed.
        is_symmetric: whether each pair of different words is learned the other way round too.
    """
    first, second = pairs
    count = len(first)
    starts, order = np.zeros(count + 1, np.int64), np.arange(count)
    rows = 0
    for i in range(count):
        if i == 0 or first[i] != first[i - 1]:
            starts[rows] = i
            rows += 1
    starts[rows] = count
    lines = np.arange(rows)
    _mix(lines, 0, rows, state)
    loss = 0.0
    for line in lines:
        _mix(order, starts[line], starts[line + 1], state)
        for n in range(starts[line], starts[line + 1]):
            at = order[n]
            i, j, weight = first[at], second[at], weights[at]
            error = _distance(x, y, i, j) - logs[at]
            loss += np.float64(0.5 * weight * error * error)
            if is_symmetric and i != j:
                other = _distance(x, y, j, i) - logs[at]
                loss += np.float64(0.5 * weight * other * other)
                _step(x, y, j, i, weight * other, rate)
            _step(x, y, i, j, weight * error, rate)
    return loss
