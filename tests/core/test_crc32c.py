"""CRC-32C: the published values, and a plain table byte by byte as the oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.crc32c import crc32c, masked


def byte_by_byte(content):
    table = []
    for number in range(256):
        entry = number
        for _ in range(8):
            entry = entry >> 1 ^ (0x82F63B78 if entry & 1 else 0)
        table.append(entry)
    state = 0xFFFFFFFF
    for byte in content:
        state = table[(state ^ byte) & 255] ^ state >> 8
    return state ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        # RFC 3720, B.4.
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_published_values(content, expected):
    assert crc32c(content) == expected


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes(content):
    assert crc32c(content) == byte_by_byte(content)


@pytest.mark.parametrize("size", [1023, 1024, 1025, 4096, 5000, (4 << 20) - 1, (8 << 20) + 7])
def test_where_lanes_and_blocks_meet(size):
    content = np.random.default_rng(size).bytes(size)
    assert crc32c(content) == byte_by_byte(content)


def test_stored_beside_its_text_it_is_masked():
    # Turned right by 15 bits, then moved by a constant (LevelDB, util/crc32c.h).
    assert masked(0) == 0xA282EAD8
    assert masked(0xE3069283) == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) % 2**32
