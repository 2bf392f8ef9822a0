"""The inner loops of CBOW (Mikolov et al. 2013a, 2013b): as :mod:`gloze.kernels.skipgram`.

Means of the words around come from sums over the words before, and their gradients go back as what
begins and what ends: three rows for each position, whatever the window.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gloze.kernels.compiled import kernel, part
from gloze.kernels.draws import draw_noise, draw_window, keep_words, longest
from gloze.kernels.logistic import judge, judging_memory
from gloze.kernels.paths import (
    SHARE_EVERY,
    add_to_node,
    bring_in,
    copy_top,
    gather_path_of,
    longest_path,
)
from gloze.kernels.skipgram import BLOCK
from gloze.kernels.tiles import (
    SPARE,
    clear,
    gather,
    gradients,
    products,
    products_of_one,
    rows_of,
    scatter_add,
)


class _Means(NamedTuple):
    """Memory for the words around the positions of a block.

    Attributes:
        before: sums of the rows before each.
        change: by how much the change of a row differs from that of the one before.
        h, dh: the mean around each position, and its gradient.
        low, high: of each position's window.
        part: of the gradient that each word around gets.
    """

    before: npt.NDArray[Any]
    change: npt.NDArray[Any]
    h: npt.NDArray[Any]
    dh: npt.NDArray[Any]
    low: npt.NDArray[Any]
    high: npt.NDArray[Any]
    part: npt.NDArray[Any]


@kernel
def _means(size, reach):  # type: ignore[no-untyped-def]
    span = BLOCK + 2 * reach + 1
    return _Means(
        rows_of(span, size), rows_of(span, size), rows_of(BLOCK, size),
        rows_of(BLOCK, size), np.zeros(BLOCK, np.int64), np.zeros(BLOCK, np.int64),
        np.zeros(BLOCK, np.float32),
    )  # fmt: skip


@part
def _add_up(table, rows, count, means):  # type: ignore[no-untyped-def]
    """Sum up the rows before each of some rows of a table."""
    for k in range(table.shape[1]):
        means.before[0, k] = 0
    for j in range(count):
        row = rows[j]
        for k in range(table.shape[1]):
            means.before[j + 1, k] = means.before[j, k] + table[row, k]
    clear(means.change, count + 1)


@part
def _average(means, i, low, high, table, word, is_divided):  # type: ignore[no-untyped-def]
    """Take the mean of rows low to high, without that of the word itself, for position i."""
    share = np.float32(1) / np.float32(max(high - low - 1, 1))
    means.low[i], means.high[i] = low, high
    means.part[i] = share if is_divided else np.float32(1)
    for k in range(table.shape[1]):
        others = means.before[high, k] - means.before[low, k] - table[word, k]
        means.h[i, k] = others * share


@part
def _spread(means, i):  # type: ignore[no-untyped-def]
    """Note where the gradient of position i begins and ends to be given."""
    low, high, share = means.low[i], means.high[i], means.part[i]
    for k in range(means.dh.shape[1]):
        g = means.dh[i, k] * share
        means.change[low, k] += g
        means.change[high, k] -= g


@part
def _scatter(table, rows, span, own, count, means):  # type: ignore[no-untyped-def]
    """Add to each row of a table what has begun before it and not ended.

    Rows ``own`` to ``own + count`` are predicted themselves, and get nothing of that.
    """
    for j in range(span):
        row, i = rows[j], j - own
        is_own = 0 <= i < count
        share, i = (means.part[i], i) if is_own else (np.float32(0), 0)
        for k in range(table.shape[1]):
            if j > 0:
                means.change[j, k] += means.change[j - 1, k]
            table[row, k] += means.change[j, k] - share * means.dh[i, k]


class _Room(NamedTuple):
    """Memory for the noise of a block, and what judging needs."""

    z: npt.NDArray[Any]
    dz: npt.NDArray[Any]
    noise: npt.NDArray[Any]
    tile: npt.NDArray[Any]
    scores: npt.NDArray[Any]
    ones: npt.NDArray[Any]
    weights: npt.NDArray[Any]
    memory: tuple[npt.NDArray[Any], ...]


@kernel
def _room(size, noise):  # type: ignore[no-untyped-def]
    shared = noise.shared
    weight = np.float32(noise.negatives) / np.float32(shared)
    return _Room(
        rows_of(shared, size), rows_of(shared, size), np.zeros(shared, np.int64),
        np.zeros((BLOCK + SPARE) * shared, np.float32), np.zeros(BLOCK, np.float32),
        np.ones(BLOCK, np.float32), np.full(BLOCK * shared, weight, np.float32),
        judging_memory(BLOCK * shared),
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
            _add_up(inner, kept[left:], right - left, means)
            draw_noise(state, noise, room.noise)
            gather(outer, room.noise, noise.shared, room.z)
            for i in range(count):
                low, high = draw_window(state, window, start + i, n, left)
                _average(means, i, low, high, inner, kept[start + i], is_divided)
            words = kept[start:]
            _score(room, means, outer, words, count, noise.shared, rate, sums)
            if rate > 0:
                _learn(room, means, outer, words, count, noise.shared)
                for i in range(count):
                    _spread(means, i)
                _scatter(inner, kept[left:], right - left, start - left, count, means)
                scatter_add(outer, room.noise, noise.shared, room.dz)
        sums[2] += end - begin
        begin = end


@part
def _score(room, means, outer, words, count, shared, rate, sums):  # type: ignore[no-untyped-def]
    """Score the words of a block and its noise, and turn scores into errors."""
    for i in range(count):
        score, word = np.float32(0), words[i]
        for k in range(outer.shape[1]):
            score += means.h[i, k] * outer[word, k]
        room.scores[i] = score
    products(means.h, 0, count, room.z, shared, room.tile, shared)
    sums[0] += judge(room.tile, 0, room.weights, count * shared, rate, room.memory)
    sums[0] += judge(room.scores, 1, room.ones, count, rate, room.memory)
    sums[1] += count


@part
def _learn(room, means, outer, words, count, shared):  # type: ignore[no-untyped-def]
    """Turn the errors of a block into changes of its means and noise; change its words."""
    for i in range(count):
        e, word = room.scores[i], words[i]
        for k in range(outer.shape[1]):
            means.dh[i, k] = e * outer[word, k]
    for i in range(count):
        e, word = room.scores[i], words[i]
        for k in range(outer.shape[1]):
            outer[word, k] += e * means.h[i, k]
    means.dh[count : count + SPARE] = 0
    clear(room.dz, shared)
    room.tile[count * shared : (count + SPARE) * shared] = 0
    gradients(room.tile, shared, means.h, count, room.z, shared, means.dh, room.dz)


@kernel
def cbow_hierarchical(text, inner, outer, window, rates, state, sums, tree, is_divided):  # type: ignore[no-untyped-def]
    """Predict the word at each position from the mean of the words around it, by the turns to it.

    As :func:`cbow_negative`, and :func:`gloze.kernels.skipgram.skipgram_hierarchical`.
    """
    size, reach = inner.shape[1], abs(window)
    path = longest_path(tree.starts)
    means = _means(size, reach)
    y, scores, ones = (
        rows_of(path, size),
        np.zeros(path + SPARE, np.float32),
        np.ones(path, np.float32),
    )
    memory = judging_memory(path)
    top, blocks = copy_top(outer, tree.nodes), 0
    kept = np.zeros(longest(text.ends), np.int64)
    begin, step = 0, (rates[1] - rates[0]) / text.ends[-1]
    for end in text.ends:
        n = keep_words(state, text, begin, end, kept)
        rate = np.float32(rates[0] + step * begin)
        # A word without another around it is not predicted.
        for start in range(0, n if n > 1 else 0, BLOCK):
            count = min(BLOCK, n - start)
            left, right = max(0, start - reach), min(n, start + count + reach)
            _add_up(inner, kept[left:], right - left, means)
            for i in range(count):
                low, high = draw_window(state, window, start + i, n, left)
                word = kept[start + i]
                _average(means, i, low, high, inner, word, is_divided)
                at = tree.starts[word]
                length = tree.starts[word + 1] - at
                gather_path_of(outer, top, tree, at, length, y)
                products_of_one(means.h, i, y, 0, length, scores, 0)
                sums[0] += judge(scores, 1, ones, length, rate, memory)
                if rate > 0:
                    _follow(outer, top, tree, at, length, scores, y, means, i)
                    _spread(means, i)
            sums[1] += count
            if rate > 0:
                _scatter(inner, kept[left:], right - left, start - left, count, means)
            blocks += 1
            if blocks % SHARE_EVERY == 0:
                bring_in(outer, top)
        sums[2] += end - begin
        begin = end
    bring_in(outer, top)


@part
def _follow(outer, top, tree, at, length, errors, y, means, i):  # type: ignore[no-untyped-def]
    """Turn the errors along a path into the gradient of a mean, and change the nodes."""
    for k in range(y.shape[1]):
        means.dh[i, k] = 0
    for j in range(length):
        e = errors[j]
        for k in range(y.shape[1]):
            means.dh[i, k] += e * y[j, k]
        add_to_node(outer, top, tree.nodes[at + j], e * tree.signs[at + j], means.h, i)
