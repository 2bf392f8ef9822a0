"""Random numbers inside kernels, and what is drawn by them: noise, windows, words that are kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gloze.kernels.compiled import kernel, part

# Words that are kept before they are gone through, of one sentence or of many.
KEPT_AT_ONCE = 256


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


class Kept(NamedTuple):
    """The words of some sentences that subsampling keeps, those of a sentence side by side.

    Attributes:
        words: int64 [positions].
        first, last: where the sentence of each begins and ends among them, int64 [positions].
    """

    words: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]


@kernel
def longest(ends):  # type: ignore[no-untyped-def]
    """Return the length of the longest sentence, of those that end there."""
    found, begin = ends[0], ends[0]
    for end in ends[1:]:
        found = max(found, end - begin)
        begin = end
    return found


@kernel
def room_to_keep(text, spare):  # type: ignore[no-untyped-def]
    """Return memory for what :func:`keep_words` keeps, and some positions more."""
    most = KEPT_AT_ONCE + longest(text.ends) + spare
    return Kept(np.zeros(most, np.int64), np.zeros(most, np.int64), np.zeros(most, np.int64))


@part
def keep_words(state, text, sentence, kept):  # type: ignore[no-untyped-def]
    """Keep words of as many sentences, from one on, as come to :data:`KEPT_AT_ONCE`.

    A word that is left alone in its sentence has nothing to be predicted from, and goes too.

    Returns:
        How many are kept, and the next sentence.
    """
    n = 0
    while sentence < len(text.ends) and n < KEPT_AT_ONCE:
        begin, own = text.ends[sentence - 1] if sentence > 0 else 0, n
        for i in range(begin, text.ends[sentence]):
            word = text.tokens[i]
            chance = text.keep[word]
            if word >= text.first and (chance >= 1 or uniform(state) < chance):
                kept.words[n] = word
                n += 1
        if n == own + 1:
            n = own
        kept.first[own:n] = own
        kept.last[own:n] = n
        sentence += 1
    return n, sentence


@part
def draw_window(state, window, at, kept, left):  # type: ignore[no-untyped-def]
    """Return where the window of a position begins and ends, counted from ``left``.

    It reaches as far as is drawn, from 1 to ``window``, or ``-window`` if that is below 0, but not
    over the ends of the sentence.
    """
    reach = 1 + below(state, window) if window > 0 else -window
    low, high = max(kept.first[at], at - reach), min(kept.last[at], at + reach + 1)
    return low - left, high - left
