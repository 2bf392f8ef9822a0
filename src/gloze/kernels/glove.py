"""The inner loop of GloVe (Pennington et al. 2014): weighted least squares by AdaGrad.

A piece of a tile of counts is gone through word by word, the words of its rows in random order and
the others of each in random order too: the rows of one word stay in the nearest memory, and in that
order the loss falls as it does when all counts are shuffled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gloze.kernels.compiled import kernel, part
from gloze.kernels.draws import below
from gloze.kernels.lanes import (
    LANES,
    add_product,
    load,
    minus,
    number,
    over_root,
    splat,
    store,
    sums,
    times,
    zeros,
)


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


class Origin(NamedTuple):
    """Where a tile lies, and how its places are written.

    Attributes:
        first, second: the lowest words of its rows and columns.
        bits: of a place that are the word of the column.
    """

    first: int
    second: int
    bits: int


@part
def _mix(order, begin, end, state):  # type: ignore[no-untyped-def]
    """Bring a part of an array into random order."""
    for i in range(end - 1, begin, -1):
        j = begin + below(state, i + 1 - begin)
        order[i], order[j] = order[j], order[i]


@part
def _move_bias(side, i, error, rate):  # type: ignore[no-untyped-def]
    side.bias_squares[i] += error * error
    side.biases[i] -= rate * error / np.sqrt(side.bias_squares[i])


@part
def _move(side, i, k, row, slope, other, rate):  # type: ignore[no-untyped-def]
    """Move a part of a row, as it was read, against its gradient, which is ``slope * other``.

    Squares are added up before they divide, so no step is longer than the rate.
    """
    change = times(slope, other)
    square = add_product(load(side.squares, i, k), change, change)
    store(side.squares, i, k, square)
    store(side.vectors, i, k, minus(row, over_root(times(rate, change), square)))


@part
def _learn(x, y, i, j, log, weight, rate):  # type: ignore[no-untyped-def]
    """Move the vectors and biases of a pair against their gradients, and return its loss."""
    total, size = zeros(), x.vectors.shape[1]
    for k in range(0, size, LANES):
        total = add_product(total, load(x.vectors, i, k), load(y.vectors, j, k))
    error = number(sums((total,)), 0) + x.biases[i] + y.biases[j] - log
    slope = weight * error
    slopes, rates = splat(slope), splat(rate)
    for k in range(0, size, LANES):
        a, b = load(x.vectors, i, k), load(y.vectors, j, k)
        _move(x, i, k, a, slopes, b, rates)
        _move(y, j, k, b, slopes, a, rates)
    _move_bias(x, i, slope, rate)
    _move_bias(y, j, slope, rate)
    return np.float64(0.5 * slope * error)


@part
def _learn_both(x, y, i, j, log, weight, rate):  # type: ignore[no-untyped-def]
    """Do what :func:`_learn` does for a pair of different words and for the same turned round.

    The two have no rows in common; together they take less time than one after the other.
    """
    total, turned_total, size = zeros(), zeros(), x.vectors.shape[1]
    for k in range(0, size, LANES):
        total = add_product(total, load(x.vectors, i, k), load(y.vectors, j, k))
        turned_total = add_product(turned_total, load(x.vectors, j, k), load(y.vectors, i, k))
    both = sums((total, turned_total))
    error = number(both, 0) + x.biases[i] + y.biases[j] - log
    other = number(both, 1) + x.biases[j] + y.biases[i] - log
    slope, turned = weight * error, weight * other
    slopes, turns, rates = splat(slope), splat(turned), splat(rate)
    for k in range(0, size, LANES):
        a, b = load(x.vectors, i, k), load(y.vectors, j, k)
        c, d = load(x.vectors, j, k), load(y.vectors, i, k)
        _move(x, i, k, a, slopes, b, rates)
        _move(y, j, k, b, slopes, a, rates)
        _move(x, j, k, c, turns, d, rates)
        _move(y, i, k, d, turns, c, rates)
    _move_bias(x, i, slope, rate)
    _move_bias(y, j, slope, rate)
    _move_bias(x, j, turned, rate)
    _move_bias(y, i, turned, rate)
    return np.float64(0.5 * slope * error) + np.float64(0.5 * turned * other)


@kernel
def glove_piece(places, tile, logs, weights, x, y, rate, state, is_symmetric):  # type: ignore[no-untyped-def]
    """Learn some counts of a tile, and return their loss, half of each weighted squared error.

    Args:
        places: of the pairs in their tile, rising, uint32 [pairs].
        tile: of :class:`Origin`.
        logs: of their counts, float32 [pairs].
        weights: of their errors, float32 [pairs].
        x: vectors of first words, a :class:`Side`.
        y: of second ones.
        rate: learning rate.
        state: of the random numbers, uint64 [1]; changed.
        is_symmetric: whether each pair of different words is learned the other way round too.
    """
    count, bits, inside = len(places), tile.bits, (1 << tile.bits) - 1
    starts, order = np.zeros(count + 1, np.int64), np.arange(count)
    rows = 0
    for i in range(count):
        if i == 0 or places[i] >> bits != places[i - 1] >> bits:
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
            place = np.int64(places[at])
            i, j = tile.first + (place >> bits), tile.second + (place & inside)
            if is_symmetric and i != j:
                loss += _learn_both(x, y, i, j, logs[at], weights[at], rate)
            else:
                loss += _learn(x, y, i, j, logs[at], weights[at], rate)
    return loss
