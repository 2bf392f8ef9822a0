"""Random numbers that depend on names alone: never on workers, threads or what was drawn before.

Two kinds: a NumPy generator seeded by names, and a counter-based hash (SplitMix64; Steele et
al. 2014) that gives one number for each 64-bit key, for whole arrays of keys at once.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]


def derive(*names: int | str) -> int:
    """Return the 64-bit seed that belongs to ``names``; any other names give another seed."""
    text = "\x1f".join(map(str, names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def generator(*names: int | str) -> np.random.Generator:
    """Return a generator that depends on ``names`` alone."""
    return np.random.Generator(np.random.Philox(derive(*names)))


def mix(keys: Keys, salt: int = 0) -> Keys:
    """Hash each key with ``salt``; good enough to be used as independent random bits."""
    with np.errstate(over="ignore"):
        z = keys * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))


def uniform(keys: Keys, salt: int = 0) -> npt.NDArray[np.float64]:
    """Return one number in [0, 1) for each key."""
    return (mix(keys, salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def integers(keys: Keys, high: int | npt.NDArray[np.int64], salt: int = 0) -> npt.NDArray[np.int64]:
    """Return one integer in [0, high) for each key."""
    return (uniform(keys, salt) * high).astype(np.int64)


def shuffled(
    positions: npt.NDArray[np.int64], size: int, *names: int | str
) -> npt.NDArray[np.int64]:
    """Return where a random permutation of ``range(size)`` sends each of ``positions``.

    A Feistel network over the next power of four, walked until it falls inside, needs no
    memory: the permutation of any number of samples is never held as a whole.
    """
    half = max(1, ((max(size, 2) - 1).bit_length() + 1) // 2)
    mask = np.uint64((1 << half) - 1)
    seeds = [derive("shuffle", *names, turn) for turn in range(4)]
    result = positions.astype(np.uint64)
    outside = np.ones(len(result), dtype=bool)
    while outside.any():
        left, right = result[outside] >> np.uint64(half), result[outside] & mask
        for seed in seeds:
            left, right = right, left ^ (mix(right, seed) & mask)
        result[outside] = (left << np.uint64(half)) | right
        outside[outside] = result[outside] >= size
    return result.astype(np.int64)


def sample_keys(seed: int, epoch: int, indices: npt.NDArray[np.int64]) -> Keys:
    """Return the random bits of samples, from (seed, epoch, index) alone."""
    return mix(indices.astype(np.uint64), derive("sample", seed, epoch))
