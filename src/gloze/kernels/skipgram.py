"""The inner loops of skip-gram (Mikolov et al. 2013a, 2013b).

A sentence is gone through in blocks of :data:`BLOCK` positions. The rows a block needs are copied
side by side, scored and changed there, and the changes are added to the tables. With negative
sampling all positions of a block have the same noise words, each counted ``negatives / shared``
times: the same loss in expectation, by matrix products instead of a row at a time (after Ji et al.
2016, who share them among the words around one position).

Arguments, of CBOW's loops too:

    text: of :class:`Text`.
    inner, outer: the tables, float32 [vocab, size] and [vocab or nodes, size]; changed.
    window: most words to each side, each position drawing from 1 to it; negative, it is fixed.
    rates: learning rate at the first and after the last token, float32 [2]; 0 changes nothing.
    state: of the random numbers, uint64 [1]; changed.
    sums: loss, predictions and tokens are added to it, float64 [3].
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gloze.kernels.compiled import kernel, part
from gloze.kernels.draws import draw_noise, draw_window, keep_words, room_to_keep
from gloze.kernels.lanes import LANES, load, plus, store
from gloze.kernels.logistic import judge, judging_memory
from gloze.kernels.paths import flags_of, gather_path, longest_path, scatter_path, whole_lanes
from gloze.kernels.tiles import (
    SPARE,
    clear,
    exchange,
    fetch,
    gather,
    mixed,
    products,
    products_of_one,
    rows_of,
    scatter_add,
)

BLOCK = 32
_LOG_2 = 0.6931471805599453


class _Room(NamedTuple):
    """Memory for one block: rows and their changes, scores, and what judging needs."""

    x: npt.NDArray[Any]
    dx: npt.NDArray[Any]
    y: npt.NDArray[Any]
    dy: npt.NDArray[Any]
    z: npt.NDArray[Any]
    dz: npt.NDArray[Any]
    noise: npt.NDArray[Any]
    tile: npt.NDArray[Any]
    scores: npt.NDArray[Any]
    ones: npt.NDArray[Any]
    weights: npt.NDArray[Any]
    memory: tuple[npt.NDArray[Any], ...]
    low: npt.NDArray[Any]
    high: npt.NDArray[Any]


@kernel
def _room(size, reach, shared):  # type: ignore[no-untyped-def]
    span = BLOCK + 2 * reach
    some = max(BLOCK * (2 * reach + 1), BLOCK * shared) + SPARE
    return _Room(
        rows_of(BLOCK, size), rows_of(BLOCK, size), rows_of(span, size), rows_of(span, size),
        rows_of(shared, size), rows_of(shared, size), np.zeros(shared, np.int64),
        np.zeros((BLOCK + SPARE) * shared, np.float32), np.zeros(some, np.float32),
        np.zeros(some, np.float32), np.zeros(BLOCK * shared, np.float32),
        judging_memory(some), np.zeros(BLOCK, np.int64), np.zeros(BLOCK, np.int64),
    )  # fmt: skip


@kernel
def skipgram_negative(text, inner, outer, window, rates, state, sums, noise):  # type: ignore[no-untyped-def]
    """Predict the words around each position from the word there, against noise.

    ``inner`` is of the words predicted from, ``outer`` of those predicted; ``noise`` is of
    :class:`Noise`.
    """
    reach = abs(window)
    room = _room(inner.shape[1], reach, noise.shared)
    kept, sentence = room_to_keep(text, SPARE), 0
    begin, step = 0, (rates[1] - rates[0]) / text.ends[-1]
    while sentence < len(text.ends):
        n, sentence = keep_words(state, text, sentence, kept)
        rate = np.float32(rates[0] + step * begin)
        for start in range(0, n, BLOCK):
            count = min(BLOCK, n - start)
            left = max(kept.first[start], start - reach)
            right = min(kept.last[start + count - 1], start + count + reach)
            draw_noise(state, noise, room.noise)
            fetch(outer, room.noise, noise.shared)
            gather(inner, kept.words[start:], count, room.x)
            gather(outer, kept.words[left:], right - left, room.y)
            gather(outer, room.noise, noise.shared, room.z)
            _score(room, start, count, left, kept, window, noise, rate, state, sums)
            if rate > 0:
                _learn(room, count, right - left, noise.shared)
                scatter_add(inner, kept.words[start:], count, room.dx)
                scatter_add(outer, kept.words[left:], right - left, room.dy)
                scatter_add(outer, room.noise, noise.shared, room.dz)
        sums[2] += text.ends[sentence - 1] - begin
        begin = text.ends[sentence - 1]


@part
def _score(room, start, count, left, kept, window, noise, rate, state, sums):  # type: ignore[no-untyped-def]
    """Score what a block predicts, and turn scores into errors."""
    shared, at = noise.shared, 0
    for i in range(count):
        low, high = draw_window(state, window, start + i, kept, left)
        room.low[i], room.high[i] = low, high
        products_of_one(room.x, i, room.y, low, high, room.scores, at)
        room.ones[at : at + high - low] = 1
        # A word does not predict itself.
        room.ones[at + start + i - left - low] = 0
        at += high - low
        weight = np.float32((high - low - 1) * noise.negatives) / np.float32(shared)
        for j in range(shared):
            room.weights[i * shared + j] = weight
    products(room.x, count, room.z, shared, room.tile, shared)
    sums[0] += judge(room.tile, 0, room.weights, count * shared, rate, room.memory)
    sums[0] += judge(room.scores, 1, room.ones, at, rate, room.memory)
    sums[1] += at - count


@part
def _learn(room, count, span, shared):  # type: ignore[no-untyped-def]
    """Turn the errors of a block into changes of its rows."""
    mixed(room.tile, shared, 1, room.z, shared, room.dx, count)
    mixed(room.tile, 1, shared, room.x, count, room.dz, shared)
    clear(room.dy, span)
    at = 0
    for i in range(count):
        low, high = room.low[i], room.high[i]
        exchange(room.scores, at, room.x, i, room.y, low, high, room.dx, room.dy)
        at += high - low


class _PathRoom(NamedTuple):
    """Memory for one position and the path to its word."""

    c: npt.NDArray[Any]
    dc: npt.NDArray[Any]
    y: npt.NDArray[Any]
    dy: npt.NDArray[Any]
    tile: npt.NDArray[Any]
    flags: npt.NDArray[Any]
    memory: tuple[npt.NDArray[Any], ...]


@kernel
def _path_room(size, reach, path):  # type: ignore[no-untyped-def]
    some = (2 * reach + SPARE) * (path + SPARE)
    return _PathRoom(
        rows_of(2 * reach, size), rows_of(2 * reach, size),
        rows_of(path, size), rows_of(path, size),
        np.zeros(some + LANES, np.float32), flags_of(some), judging_memory(some + LANES),
    )  # fmt: skip


@kernel
def skipgram_hierarchical(text, inner, outer, window, rates, state, sums, tree):  # type: ignore[no-untyped-def]
    """Predict the word at each position from each of the words around it, by the turns to it.

    ``inner`` is of the words predicted from, ``outer`` of the nodes; ``tree`` is of
    :class:`gloze.kernels.huffman.Tree`. Nodes, which are met again at once, are changed at once;
    words at the end of a block.
    """
    size, reach = inner.shape[1], abs(window)
    room = _path_room(size, reach, longest_path(tree.starts))
    x, moved = rows_of(BLOCK + 2 * reach, size), rows_of(BLOCK + 2 * reach, size)
    kept, sentence = room_to_keep(text, SPARE), 0
    begin, step = 0, (rates[1] - rates[0]) / text.ends[-1]
    while sentence < len(text.ends):
        n, sentence = keep_words(state, text, sentence, kept)
        rate = np.float32(rates[0] + step * begin)
        for start in range(0, n, BLOCK):
            count = min(BLOCK, n - start)
            left = max(kept.first[start], start - reach)
            right = min(kept.last[start + count - 1], start + count + reach)
            gather(inner, kept.words[left:], right - left, x)
            clear(moved, right - left)
            for i in range(start, start + count):
                low, high = draw_window(state, window, i, kept, left)
                around = _rows_around(x, low, high, i - left, room.c)
                _turns(outer, tree, kept.words[i], around, rate, room, sums)
                if rate > 0:
                    _move(x, moved, low, high, i - left, room.dc)
            if rate > 0:
                scatter_add(inner, kept.words[left:], right - left, moved)
        sums[2] += text.ends[sentence - 1] - begin
        begin = text.ends[sentence - 1]


@part
def _rows_around(x, low, high, own, out):  # type: ignore[no-untyped-def]
    """Copy rows low to high of x without one of them; return how many."""
    count = high - low - 1
    for n in range(count):
        r = low + n + (low + n >= own)
        for k in range(0, x.shape[1], LANES):
            store(out, n, k, load(x, r, k))
    return count


@part
def _move(x, moved, low, high, own, change):  # type: ignore[no-untyped-def]
    """Add the changes of the rows around one to them, and to what has come together."""
    for n in range(high - low - 1):
        r = low + n + (low + n >= own)
        for k in range(0, x.shape[1], LANES):
            v = load(change, n, k)
            store(x, r, k, plus(load(x, r, k), v))
            store(moved, r, k, plus(load(moved, r, k), v))


@part
def _turns(outer, tree, word, around, rate, room, sums):  # type: ignore[no-untyped-def]
    """Predict the turns to a word from ``around`` rows; learn if there is a rate."""
    path = tree.starts[word]
    length = tree.starts[word + 1] - path
    stride = (length + 3) // 4 * 4
    gather_path(outer, tree, path, length, room.y)
    room.y[length:stride] = 0
    products(room.c, around, room.y, length, room.tile, stride)
    used = around * stride
    flags = room.flags[len(room.flags) - LANES - used :]
    loss = judge(room.tile, 1, flags, whole_lanes(used), rate, room.memory)
    # Nodes that only fill a tile score 0.
    sums[0] += loss - around * (stride - length) * _LOG_2
    sums[1] += around
    if rate > 0:
        mixed(room.tile, stride, 1, room.y, length, room.dc, around)
        mixed(room.tile, 1, stride, room.c, around, room.dy, length)
        scatter_path(outer, tree, path, length, room.dy)
