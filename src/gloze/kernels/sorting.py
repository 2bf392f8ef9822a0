"""Bringing keys and their counts into order, and adding up those of the same key."""

from __future__ import annotations

import numpy as np

from gloze.kernels.compiled import kernel

_DIGIT_BITS = 8


@kernel
def sort_pairs(keys, counts, more_keys, more_counts):  # type: ignore[no-untyped-def]
    """Sort by keys, digit by digit from the lowest; digits that are the same in all are left out.

    Args:
        keys: uint64 [pairs]; changed.
        counts: uint64 [pairs]; changed.
        more_keys: room for as many; changed.
        more_counts: room for as many; changed.

    Returns:
        Keys, rising, and counts: the given arrays, or the room.
    """
    size = len(keys)
    varied = np.uint64(0)
    for k in range(size):
        varied |= keys[k] ^ keys[0]
    last = np.uint64((1 << _DIGIT_BITS) - 1)
    places = np.zeros(1 << _DIGIT_BITS, np.int64)
    for bits in range(0, 64, _DIGIT_BITS):
        shift = np.uint64(bits)
        if (varied >> shift) & last == 0:
            continue
        places[:] = 0
        for k in range(size):
            places[np.int64((keys[k] >> shift) & last)] += 1
        begin = 0
        for at in range(len(places)):
            many = places[at]
            places[at] = begin
            begin += many
        for k in range(size):
            digit = np.int64((keys[k] >> shift) & last)
            more_keys[places[digit]] = keys[k]
            more_counts[places[digit]] = counts[k]
            places[digit] += 1
        keys, more_keys = more_keys, keys
        counts, more_counts = more_counts, counts
    return keys, counts


@kernel
def add_equal(keys, counts):  # type: ignore[no-untyped-def]
    """Add up the counts of equal keys; return how many different ones there are, now in front.

    Args:
        keys: rising, uint64 [pairs]; changed.
        counts: uint64 [pairs]; changed.
    """
    last = -1
    for k in range(len(keys)):
        if last >= 0 and keys[k] == keys[last]:
            counts[last] += counts[k]
        else:
            last += 1
            keys[last], counts[last] = keys[k], counts[k]
    return last + 1
