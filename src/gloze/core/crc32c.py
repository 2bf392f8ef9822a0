"""CRC-32C (Castagnoli), the checksum of TensorFlow's files, at the speed of arrays.

A checksum of this kind is linear: the remainder of a text is that of its parts, each moved on by
the length of what follows it, added up. So thousands of parts are worked out side by side.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

_POLYNOMIAL = 0x82F63B78
_ALL = 0xFFFFFFFF
_WORDS, _MOST_LANES = 256, 4096  # of four bytes in a lane, at most; side by side

Words = npt.NDArray[np.uint32]


def crc32c(content: bytes | npt.NDArray[np.uint8]) -> int:
    """Return the CRC-32C of some bytes."""
    octets = np.frombuffer(content, dtype=np.uint8)
    at_once = 4 * _WORDS * _MOST_LANES
    remainder = _move(_ALL, len(octets))
    first = len(octets) % at_once
    # Zeros in front change nothing, so only the first block is filled up.
    for start in range(first - at_once if first else 0, len(octets), at_once):
        block = octets[max(start, 0) : start + at_once]
        remainder ^= _move(_remainder(block), len(octets) - start - at_once)
    return remainder ^ _ALL


def masked(checksum: int) -> int:
    """Return a checksum as it is stored beside what it is of: turned, and moved."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & _ALL


def _remainder(block: npt.NDArray[np.uint8]) -> int:
    """Return the remainder of at most a block of bytes."""
    length = min(_WORDS, -(-len(block) // 4))
    lanes = 1 << (-(-len(block) // (4 * length)) - 1).bit_length()
    filled = np.zeros(4 * length * lanes, dtype=np.uint8)
    filled[len(filled) - len(block) :] = block
    words = np.ascontiguousarray(filled.view("<u4").reshape(lanes, length).T)
    low, high = _tables()
    states = np.zeros(lanes, dtype=np.uint32)
    for row in words:
        states ^= row
        states = low[states & 0xFFFF] ^ high[states >> 16]
    size = 4 * length
    while len(states) > 1:
        states = _apply(_mover(size), states[::2]) ^ states[1::2]
        size *= 2
    return int(states[0])


@lru_cache(maxsize=256)
def _move(remainder: int, size: int) -> int:
    """Return the remainder after ``size`` bytes of zeros more."""
    state = np.array([remainder], dtype=np.uint32)
    for bit in range(size.bit_length()):
        if size >> bit & 1:
            state = _apply(_mover(1 << bit), state)
    return int(state[0])


@lru_cache(maxsize=64)
def _mover(size: int) -> Words:
    """Return what each bit of a remainder becomes after ``size`` bytes, a power of 2, of zeros."""
    if size > 1:
        half = _mover(size // 2)
        return _apply(half, half)
    return _zeros_after(np.uint32(1) << np.arange(32, dtype=np.uint32), 8)


@lru_cache(maxsize=1)
def _tables() -> tuple[Words, Words]:
    """Return the remainders of four bytes of which the lower two, or the higher, are not 0."""
    values = np.arange(1 << 16, dtype=np.uint32)
    return _zeros_after(values, 32), _zeros_after(values, 16)


def _zeros_after(states: Words, bits: int) -> Words:
    for _ in range(bits):
        states = (states >> np.uint32(1)) ^ (states & np.uint32(1)) * np.uint32(_POLYNOMIAL)
    return states


def _apply(mover: Words, states: Words) -> Words:
    moved = np.zeros_like(states)
    for bit in range(32):
        moved ^= (states >> np.uint32(bit) & np.uint32(1)) * mover[bit]
    return moved
