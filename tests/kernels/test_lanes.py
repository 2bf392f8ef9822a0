"""Vectors in kernels, and the tiles that are made of them, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numba import TypingError

from gloze.kernels import lanes, sorting, tiles
from gloze.kernels.compiled import kernel

LANES = lanes.LANES


def rows(count, size, seed):
    return np.random.default_rng(seed).standard_normal((count, size)).astype(np.float32)


@kernel
def sums_of(x, out):
    a, b = lanes.load(x, 0, 0), lanes.load(x, 1, 0)
    c, d = lanes.load(x, 2, 0), lanes.load(x, 3, 0)
    lanes.store_four(out, 0, lanes.sums((a, b, c, d)), 0)
    lanes.store_four(out, 4, lanes.sums((a, b, c, d, d, c, b, a)), 4)
    out[8] = lanes.number(lanes.sums((c,)), 0)
    out[9] = lanes.number(lanes.sums((c, a)), 1)


def test_sums_come_in_the_order_of_their_vectors():
    x, out = rows(4, LANES, 0), np.zeros(10, np.float32)
    sums_of(x, out)
    a, b, c, d = x.sum(axis=1)
    np.testing.assert_allclose(out, [a, b, c, d, d, c, b, a, c, a], rtol=1e-5)


@kernel
def over(x, out):
    lanes.store(out, 0, 0, lanes.over_root(lanes.load(x, 0, 0), lanes.load(x, 1, 0)))
    lanes.store(out, 1, 0, lanes.minus(lanes.zeros(), lanes.splat(x[0, 1])))


def test_dividing_by_a_root_is_near_to_exact():
    x, out = np.abs(rows(2, LANES, 1)) + 1, np.zeros((2, LANES), np.float32)
    over(x, out)
    np.testing.assert_allclose(out[0], x[0] / np.sqrt(x[1]), rtol=1e-6)
    np.testing.assert_array_equal(out[1], np.full(LANES, -x[0, 1]))


def test_rows_that_are_not_in_one_piece_are_refused():
    with pytest.raises(TypingError):
        over(np.zeros((2, 2 * LANES), np.float32)[:, ::2], np.zeros((2, LANES), np.float32))
    with pytest.raises(TypingError):
        over(np.zeros((2, LANES)), np.zeros((2, LANES), np.float32))


@kernel
def tile(x, count, y, many, out, stride, dx, dy):
    tiles.products(x, count, y, many, out, stride)
    tiles.mixed(out, stride, 1, y, many, dx, count)
    tiles.mixed(out, 1, stride, x, count, dy, many)


@pytest.mark.parametrize("size", [16, 32, 112])
@pytest.mark.parametrize(("count", "many"), [(1, 4), (5, 12), (32, 7)])
def test_products_and_gradients_of_blocks_are_those_of_matrices(size, count, many):
    """What lies behind the rows that are used does not matter."""
    x, y = rows(count + tiles.SPARE, size, 2), rows(many + tiles.SPARE, size, 3)
    x[count:], y[many:] = np.nan, np.nan
    stride = -(-many // 4) * 4
    out = np.zeros((count + tiles.SPARE, stride), np.float32)
    dx, dy = np.zeros_like(x), np.zeros_like(y)
    tile(x, count, y, many, out.reshape(-1), stride, dx, dy)
    scores = x[:count] @ y[:many].T
    np.testing.assert_allclose(out[:count, :many], scores, atol=1e-4)
    np.testing.assert_allclose(dx[:count], scores @ y[:many], atol=3e-3)
    np.testing.assert_allclose(dy[:many], scores.T @ x[:count], atol=3e-3)


@pytest.mark.parametrize("bits", [3, 17, 40, 64])
def test_pairs_are_sorted_by_keys_and_equal_ones_added_up(bits):
    draw = np.random.default_rng(bits)
    keys = (
        draw.integers(0, 1 << bits, 5000, np.uint64, endpoint=bits == 64)
        if bits < 64
        else (draw.integers(0, np.iinfo(np.uint64).max, 5000, np.uint64))
    )
    keys[::7] = keys[0]
    counts = draw.integers(1, 100, 5000).astype(np.uint64)
    wanted, places = np.unique(keys, return_inverse=True)
    totals = np.bincount(places, counts)
    found, values = sorting.sort_pairs(
        keys.copy(), counts.copy(), np.zeros_like(keys), np.zeros_like(counts)
    )
    assert (np.diff(found.astype(object)) >= 0).all()
    many = sorting.add_equal(found, values)
    np.testing.assert_array_equal(found[:many], wanted)
    np.testing.assert_array_equal(values[:many], totals)


def test_nothing_to_sort_is_sorted():
    none = np.zeros(0, np.uint64)
    found, values = sorting.sort_pairs(none, none.copy(), none.copy(), none.copy())
    assert len(found) == len(values) == sorting.add_equal(found, values) == 0
