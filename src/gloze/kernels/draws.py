"""Random numbers inside kernels, and what is drawn by them: noise, windows, words that are kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gloze.kernels.compiled import kernel, part


class Text(NamedTuple):
    """A part of a corpus, and which of its words are used.

    Attributes:
        tokens: ids, int32 [tokens].
        ends: where each sentence ends in them, int64 [sentences].
        first: lowest id that is a word; those under it are passed over.
        keep: chance of each word to be kept by subsampling, float32 [vocab].
    """

    tokens: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int64]
    first: int
    keep: npt.NDArray[np.float32]


class Noise(NamedTuple):
    """Noise words.

    Attributes:
        accept: chance of each number drawn to be kept, float32 [vocab].
        alias: what it becomes else, int64 [vocab] (Walker 1977).
        negatives: how many a prediction is told from, in expectation.
        shared: how many a block has in common; a multiple of four.
    """

    accept: npt.NDArray[np.float32]
    alias: npt.NDArray[np.int64]
    negatives: int
    shared: int


@part
def draw(state):  # type: ignore[no-untyped-def]
    """Return the next 64 random bits (xorshift64*, Vigna 2016); ``state`` is uint64 [1]."""
    s = state[0]
    s ^= s >> np.uint64(12)
    s ^= s << np.uint64(25)
    s ^= s >> np.uint64(27)
    state[0] = s
    return s * np.uint64(0x2545F4914F6CDD1D)


@part
def uniform(state):  # type: ignore[no-untyped-def]
    """Return a number from 0 to under 1, in float32."""
    return np.float32(draw(state) >> np.uint64(40)) * np.float32(2.0**-24)


@part
def below(state, high):  # type: ignore[no-untyped-def]
    """Return a whole number from 0 to under ``high``, which is under 2 ** 32."""
    return np.int64(((draw(state) >> np.uint64(32)) * np.uint64(high)) >> np.uint64(32))


@part
def draw_noise(state, noise, out):  # type: ignore[no-untyped-def]
    """Draw the noise words of a block, [shared]."""
    for j in range(noise.shared):
        word = below(state, len(noise.accept))
        out[j] = word if uniform(state) < noise.accept[word] else noise.alias[word]


@part
def keep_words(state, text, begin, end, out):  # type: ignore[no-untyped-def]
    """Put the words of a sentence that subsampling keeps to ``out``; return how many."""
    n = 0
    for i in range(begin, end):
        word = text.tokens[i]
        chance = text.keep[word]
        if word >= text.first and (chance >= 1 or uniform(state) < chance):
            out[n] = word
            n += 1
    return n


@part
def draw_window(state, window, at, n, left):  # type: ignore[no-untyped-def]
    """Return where the window of position ``at`` of ``n`` begins and ends, counted from ``left``.

    It reaches as far as is drawn, from 1 to ``window``, or ``-window`` if that is below 0.
    """
    reach = 1 + below(state, window) if window > 0 else -window
    return max(0, at - reach) - left, min(n, at + reach + 1) - left


@kernel
def longest(ends):  # type: ignore[no-untyped-def]
    """Return the length of the longest sentence, of those that end there."""
    found, begin = ends[0], ends[0]
    for end in ends[1:]:
        found = max(found, end - begin)
        begin = end
    return found
