"""The inner loops of CBOW (Mikolov et al. 2013a, 2013b): as :mod:`gloze.kernels.skipgram`.

Means of the words around come from sums over the words before, and their gradients go back as what
begins and what ends: three rows for each position, whatever the window.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gloze.kernels.compiled import kernel, part
from gloze.kernels.draws import draw_noise, keep_words, longest, reach_of
from gloze.kernels.logistic import judge
from gloze.kernels.skipgram import BLOCK, longest_path
from gloze.kernels.tiles import (
    SPARE,
    clear,
    gather,
    gather_path,
    gradients,
    products,
    products_of_one,
    scatter_add,
)


class _Means(NamedTuple):
    """Memory for the words around the positions of a block.

    Attributes:
        x: their rows.
        before: sums of the rows before each.
        change: by how much the change of a row differs from that of the one before.
        less: what a row does not get of it, because it is the one that is predicted.
        low, high: of each position's window.
    """

    x: npt.NDArray[Any]
    before: npt.NDArray[Any]
    change: npt.NDArray[Any]
    less: npt.NDArray[Any]
    low: npt.NDArray[Any]
    high: npt.NDArray[Any]


@kernel
def _rows(count, size):  # type: ignore[no-untyped-def]
    return np.zeros((count, size), np.float32)


@kernel
def _means(size, reach):  # type: ignore[no-untyped-def]
    span = BLOCK + 2 * reach + 1
    return _Means(
        _rows(span, size), _rows(span, size), _rows(span, size), _rows(span, size),
        np.zeros(BLOCK, np.int64), np.zeros(BLOCK, np.int64),
    )  # fmt: skip


@part
def _gather(table, rows, count, means):  # type: ignore[no-untyped-def]
    """Copy rows of a table, and sum up those before each."""
    for k in range(table.shape[1]):
        means.before[0, k] = 0
    for j in range(count):
        row = rows[j]
        for k in range(table.shape[1]):
            value = table[row, k]
            means.x[j, k] = value
            means.before[j + 1, k] = means.before[j, k] + value
    clear(means.change, count + 1)
    clear(means.less, count)


@part
def _average(means, i, low, high, own, out, at):  # type: ignore[no-untyped-def]
    """Put the mean of rows low to high, without one of them, to ``out[at]``."""
    means.low[i], means.high[i] = low, high
    share = np.float32(1) / np.float32(max(high - low - 1, 1))
    for k in range(out.shape[1]):
        out[at, k] = (means.before[high, k] - means.before[low, k] - means.x[own, k]) * share


@part
def _spread(means, i, own, is_divided, dh, at):  # type: ignore[no-untyped-def]
    """Give the gradient ``dh[at]`` to the words around position i."""
    low, high = means.low[i], means.high[i]
    around = max(high - low - 1, 1) if is_divided else 1
    share = np.float32(1) / np.float32(around)
    for k in range(dh.shape[1]):
        g = dh[at, k] * share
        means.change[low, k] += g
        means.change[high, k] -= g
        means.less[own, k] = g


@part
def _scatter(table, rows, count, means):  # type: ignore[no-untyped-def]
    """Add to each row of a table what has begun before it and not ended, less its own."""
    for j in range(count):
        row = rows[j]
        for k in range(table.shape[1]):
            if j > 0:
                means.change[j, k] += means.change[j - 1, k]
            table[row, k] += means.change[j, k] - means.less[j, k]


class _Room(NamedTuple):
    """Memory for the means and the noise of a block."""

    h: npt.NDArray[Any]
    dh: npt.NDArray[Any]
    z: npt.NDArray[Any]
    dz: npt.NDArray[Any]
    noise: npt.NDArray[Any]
    tile: npt.NDArray[Any]
    scores: npt.NDArray[Any]
    ones: npt.NDArray[Any]
    weights: npt.NDArray[Any]
    bits: npt.NDArray[Any]
    powers: npt.NDArray[Any]
    parts: npt.NDArray[Any]


@kernel
def _room(size, noise):  # type: ignore[no-untyped-def]
    shared = noise.shared
    bits = np.zeros(BLOCK * shared, np.int32)
    weight = np.float32(noise.negatives) / np.float32(shared)
    return _Room(
        _rows(BLOCK + SPARE, size), _rows(BLOCK + SPARE, size),
        _rows(shared, size), _rows(shared, size), np.zeros(shared, np.int64),
        np.zeros((BLOCK + SPARE) * shared, np.float32), np.zeros(BLOCK, np.float32),
        np.ones(BLOCK, np.float32), np.full(BLOCK * shared, weight, np.float32),
        bits, bits.view(np.float32), np.zeros(BLOCK * shared, np.float32),
    )  # fmt: skip


@kernel
def cbow_negative(text, inner, outer, window, rates, state, sums, noise, is_divided):  # type: ignore[no-untyped-def]
    """Predict the word at each position from the mean of the words around it, against noise.

    ``inner`` is of the words around, ``outer`` of those predicted. Each word around gets the whole
    gradient of their mean, as in the first program, or its own part of it if ``is_divided``.
    """
    reach = abs(window)
    means, room = _means(inner.shape[1], reach), _room(inner.shape[1], noise)
    kept = np.zeros(longest(text.ends), np.int64)
    begin, step = 0, (rates[1] - rates[0]) / text.ends[-1]
    for end in text.ends:
        n = keep_words(state, text, begin, end, kept)
        rate = np.float32(rates[0] + step * begin)
        # A word without another around it is not predicted.
        for start in range(0, n if n > 1 else 0, BLOCK):
            count = min(BLOCK, n - start)
            left, right = max(0, start - reach), min(n, start + count + reach)
            _gather(inner, kept[left:], right - left, means)
            draw_noise(state, noise, room.noise)
            gather(outer, room.noise, noise.shared, room.z)
            for i in range(count):
                far, own = reach_of(state, window), start + i
                low, high = max(0, own - far) - left, min(n, own + far + 1) - left
                _average(means, i, low, high, own - left, room.h, i)
            words = kept[start:]
            _score(room, outer, words, count, noise.shared, rate, sums)
            if rate > 0:
                _learn(room, outer, words, count, noise.shared)
                for i in range(count):
                    _spread(means, i, start + i - left, is_divided, room.dh, i)
                _scatter(inner, kept[left:], right - left, means)
                scatter_add(outer, room.noise, noise.shared, room.dz)
        sums[2] += end - begin
        begin = end


@part
def _score(room, outer, words, count, shared, rate, sums):  # type: ignore[no-untyped-def]
    """Score the words of a block and its noise, and turn scores into errors."""
    for i in range(count):
        score, word = np.float32(0), words[i]
        for k in range(room.h.shape[1]):
            score += room.h[i, k] * outer[word, k]
        room.scores[i] = score
    products(room.h, 0, count, room.z, shared, room.tile, shared)
    memory = room.bits, room.powers, room.parts
    sums[0] += judge(room.tile, 0, room.weights, count * shared, rate, memory)
    sums[0] += judge(room.scores, 1, room.ones, count, rate, memory)
    sums[1] += count


@part
def _learn(room, outer, words, count, shared):  # type: ignore[no-untyped-def]
    """Turn the errors of a block into changes of its means and noise; change its words."""
    for i in range(count):
        e, word = room.scores[i], words[i]
        for k in range(room.h.shape[1]):
            room.dh[i, k] = e * outer[word, k]
    for i in range(count):
        e, word = room.scores[i], words[i]
        for k in range(room.h.shape[1]):
            outer[word, k] += e * room.h[i, k]
    room.dh[count : count + SPARE] = 0
    clear(room.dz, shared)
    room.tile[count * shared : (count + SPARE) * shared] = 0
    gradients(room.tile, shared, room.h, count, room.z, shared, room.dh, room.dz)


@kernel
def cbow_hierarchical(text, inner, outer, window, rates, state, sums, tree, is_divided):  # type: ignore[no-untyped-def]
    """Predict the word at each position from the mean of the words around it, by the turns to it.

    As :func:`cbow_negative`, and :func:`gloze.kernels.skipgram.skipgram_hierarchical`.
    """
    size, reach = inner.shape[1], abs(window)
    path = longest_path(tree.starts)
    means, h, dh = _means(size, reach), _rows(1, size), _rows(1, size)
    y, scores, ones = (
        _rows(path + SPARE, size),
        np.zeros(path + SPARE, np.float32),
        np.ones(path, np.float32),
    )
    bits = np.zeros(path, np.int32)
    memory = bits, bits.view(np.float32), np.zeros(path, np.float32)
    kept = np.zeros(longest(text.ends), np.int64)
    begin, step = 0, (rates[1] - rates[0]) / text.ends[-1]
    for end in text.ends:
        n = keep_words(state, text, begin, end, kept)
        rate = np.float32(rates[0] + step * begin)
        # A word without another around it is not predicted.
        for start in range(0, n if n > 1 else 0, BLOCK):
            count = min(BLOCK, n - start)
            left, right = max(0, start - reach), min(n, start + count + reach)
            _gather(inner, kept[left:], right - left, means)
            for i in range(count):
                far, own = reach_of(state, window), start + i
                low, high = max(0, own - far) - left, min(n, own + far + 1) - left
                _average(means, i, low, high, own - left, h, 0)
                at = tree.starts[kept[own]]
                length = tree.starts[kept[own] + 1] - at
                gather_path(outer, tree, at, length, y)
                products_of_one(h, 0, y, 0, length, scores, 0)
                sums[0] += judge(scores, 1, ones, length, rate, memory)
                if rate > 0:
                    _follow(outer, tree, at, length, scores, h, y, dh)
                    _spread(means, i, own - left, is_divided, dh, 0)
            sums[1] += count
            if rate > 0:
                _scatter(inner, kept[left:], right - left, means)
        sums[2] += end - begin
        begin = end


@part
def _follow(outer, tree, at, length, errors, h, y, dh):  # type: ignore[no-untyped-def]
    """Turn the errors along a path into the gradient of a mean, and change the nodes."""
    clear(dh, 1)
    for j in range(length):
        e, node = errors[j], tree.nodes[at + j]
        turned = e * tree.signs[at + j]
        for k in range(h.shape[1]):
            dh[0, k] += e * y[j, k]
            outer[node, k] += turned * h[0, k]
