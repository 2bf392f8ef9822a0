"""The inner loops of CBOW (Mikolov et al. 2013a, 2013b): as :mod:`gloze.kernels.skipgram`.

Means of the words around come from sums over the words before, and their gradients go back as what
begins and what ends: three rows for each position, whatever the window.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gloze.kernels.compiled import kernel, part
from gloze.kernels.draws import draw_noise, draw_window, keep_words, room_to_keep
from gloze.kernels.lanes import LANES, add_product, load, minus, plus, splat, store, times, zeros
from gloze.kernels.logistic import judge, judging_memory
from gloze.kernels.paths import (
    SHARE_EVERY,
    bring_in,
    copy_top,
    flags_of,
    gather_path_of,
    in_top,
    longest_path,
    scatter_path_of,
    whole_lanes,
)
from gloze.kernels.skipgram import BLOCK
from gloze.kernels.tiles import (
    SPARE,
    clear,
    fetch,
    gather,
    mixed,
    products,
    products_each,
    products_of_one,
    rows_of,
    scatter_add,
)


class _Means(NamedTuple):
    """Memory for the words around the positions of a block.

    Attributes:
        before: sums of what stands before each of the words in some columns.
        change: by how much the change of each differs from that of the one before, in the same.
        h, dh: the mean around each position, and its gradient.
        low, high: of each position's window.
        share: of a word around in the mean.
        part: of the gradient that each word around gets.
    """

    before: npt.NDArray[Any]
    change: npt.NDArray[Any]
    h: npt.NDArray[Any]
    dh: npt.NDArray[Any]
    low: npt.NDArray[Any]
    high: npt.NDArray[Any]
    share: npt.NDArray[Any]
    part: npt.NDArray[Any]


@kernel
def _means(size, reach):  # type: ignore[no-untyped-def]
    span = BLOCK + 2 * reach + 1
    return _Means(
        rows_of(span, LANES), rows_of(span, LANES), rows_of(BLOCK, size), rows_of(BLOCK, size),
        np.zeros(BLOCK, np.int64), np.zeros(BLOCK, np.int64),
        np.zeros(BLOCK, np.float32), np.zeros(BLOCK, np.float32),
    )  # fmt: skip


@part
def _draw_windows(state, window, start, count, kept, left, means, is_divided):  # type: ignore[no-untyped-def]
    """Draw the window of each position of a block."""
    for i in range(count):
        low, high = draw_window(state, window, start + i, kept, left)
        share = np.float32(1) / np.float32(max(high - low - 1, 1))
        means.low[i], means.high[i], means.share[i] = low, high, share
        means.part[i] = share if is_divided else np.float32(1)


@part
def _average(table, rows, span, own, count, means):  # type: ignore[no-untyped-def]
    """Take the mean of the rows of each window, without that of the word itself.

    Args:
        table: of the words around.
        rows: of the words from the first window on.
        span: how many words there are.
        own: which of them the block begins with.
        count: of its words.
        means: changed.
    """
    for k in range(0, table.shape[1], LANES):
        total = zeros()
        store(means.before, 0, 0, total)
        for j in range(span):
            total = plus(total, load(table, rows[j], k))
            store(means.before, j + 1, 0, total)
        for i in range(count):
            whole = minus(load(means.before, means.high[i], 0), load(means.before, means.low[i], 0))
            others = minus(whole, load(table, rows[own + i], k))
            store(means.h, i, k, times(others, splat(means.share[i])))


@part
def _spread(table, rows, span, own, count, means):  # type: ignore[no-untyped-def]
    """Add to each word around a position its part of the gradient; as :func:`_average`."""
    for k in range(0, table.shape[1], LANES):
        clear(means.change, span + 1)
        for i in range(count):
            g = times(load(means.dh, i, k), splat(means.part[i]))
            _begin(means.change, means.low[i], g)
            _end(means.change, own + i, g)
            _begin(means.change, own + i + 1, g)
            _end(means.change, means.high[i], g)
        total = zeros()
        for j in range(span):
            total = plus(total, load(means.change, j, 0))
            store(table, rows[j], k, plus(load(table, rows[j], k), total))


@part
def _begin(change, j, g):  # type: ignore[no-untyped-def]
    store(change, j, 0, plus(load(change, j, 0), g))


@part
def _end(change, j, g):  # type: ignore[no-untyped-def]
    store(change, j, 0, minus(load(change, j, 0), g))


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
        np.zeros((BLOCK + SPARE) * shared, np.float32), np.zeros(BLOCK + SPARE, np.float32),
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
    kept, sentence = room_to_keep(text, SPARE), 0
    begin, step = 0, (rates[1] - rates[0]) / text.ends[-1]
    while sentence < len(text.ends):
        n, sentence = keep_words(state, text, sentence, kept)
        rate = np.float32(rates[0] + step * begin)
        for start in range(0, n, BLOCK):
            count = min(BLOCK, n - start)
            left = max(kept.first[start], start - reach)
            right = min(kept.last[start + count - 1], start + count + reach)
            span, own, around, words = (
                right - left,
                start - left,
                kept.words[left:],
                kept.words[start:],
            )
            draw_noise(state, noise, room.noise)
            fetch(outer, room.noise, noise.shared)
            fetch(outer, words, count)
            _draw_windows(state, window, start, count, kept, left, means, is_divided)
            _average(inner, around, span, own, count, means)
            gather(outer, room.noise, noise.shared, room.z)
            _score(room, means, outer, words, count, noise.shared, rate, sums)
            if rate > 0:
                _learn(room, means, outer, words, count, noise.shared)
                _spread(inner, around, span, own, count, means)
                scatter_add(outer, room.noise, noise.shared, room.dz)
        sums[2] += text.ends[sentence - 1] - begin
        begin = text.ends[sentence - 1]


@part
def _score(room, means, outer, words, count, shared, rate, sums):  # type: ignore[no-untyped-def]
    """Score the words of a block and its noise, and turn scores into errors."""
    products_each(means.h, outer, words, count, room.scores)
    products(means.h, count, room.z, shared, room.tile, shared)
    sums[0] += judge(room.tile, 0, room.weights, count * shared, rate, room.memory)
    sums[0] += judge(room.scores, 1, room.ones, count, rate, room.memory)
    sums[1] += count


@part
def _learn(room, means, outer, words, count, shared):  # type: ignore[no-untyped-def]
    """Turn the errors of a block into changes of its means and noise; change its words."""
    mixed(room.tile, shared, 1, room.z, shared, means.dh, count)
    mixed(room.tile, 1, shared, means.h, count, room.dz, shared)
    for i in range(count):
        error, word = splat(room.scores[i]), words[i]
        for k in range(0, outer.shape[1], LANES):
            change = add_product(load(means.dh, i, k), error, load(outer, word, k))
            store(means.dh, i, k, change)
    for i in range(count):
        error, word = splat(room.scores[i]), words[i]
        for k in range(0, outer.shape[1], LANES):
            row = add_product(load(outer, word, k), error, load(means.h, i, k))
            store(outer, word, k, row)


@kernel
def cbow_hierarchical(text, inner, outer, window, rates, state, sums, tree, is_divided):  # type: ignore[no-untyped-def]
    """Predict the word at each position from the mean of the words around it, by the turns to it.

    As :func:`cbow_negative`, and :func:`gloze.kernels.skipgram.skipgram_hierarchical`.
    """
    size, reach = inner.shape[1], abs(window)
    path = longest_path(tree.starts)
    means, y = _means(size, reach), rows_of(path, size)
    scores, flags = np.zeros(path + LANES, np.float32), flags_of(path)
    memory = judging_memory(path + LANES)
    top, blocks = copy_top(outer, tree.nodes), 0
    kept, sentence = room_to_keep(text, SPARE), 0
    begin, step = 0, (rates[1] - rates[0]) / text.ends[-1]
    while sentence < len(text.ends):
        n, sentence = keep_words(state, text, sentence, kept)
        rate = np.float32(rates[0] + step * begin)
        for start in range(0, n, BLOCK):
            count = min(BLOCK, n - start)
            left = max(kept.first[start], start - reach)
            right = min(kept.last[start + count - 1], start + count + reach)
            span, own, around = right - left, start - left, kept.words[left:]
            _draw_windows(state, window, start, count, kept, left, means, is_divided)
            _average(inner, around, span, own, count, means)
            for i in range(count):
                word = around[own + i]
                at = tree.starts[word]
                length = tree.starts[word + 1] - at
                many = in_top(top, tree, at, length)
                gather_path_of(outer, top, tree, at, length, many, y)
                products_of_one(means.h, i, y, 0, length, scores, 0)
                some = whole_lanes(length)
                sums[0] += judge(scores, 1, flags[path - length :], some, rate, memory)
                if rate > 0:
                    _mix(means.dh, i, scores, y, length)
                    scatter_path_of(outer, top, tree, at, length, many, scores, means.h, i)
            sums[1] += count
            if rate > 0:
                _spread(inner, around, span, own, count, means)
            blocks += 1
            if blocks % SHARE_EVERY == 0:
                bring_in(outer, top)
        sums[2] += text.ends[sentence - 1] - begin
        begin = text.ends[sentence - 1]
    bring_in(outer, top)


@part
def _mix(out, i, errors, y, count):  # type: ignore[no-untyped-def]
    """Put the sum of the first rows of y, times their errors, to row i."""
    for k in range(0, y.shape[1], LANES):
        total = zeros()
        for j in range(count):
            total = add_product(total, splat(errors[j]), load(y, j, k))
        store(out, i, k, total)
