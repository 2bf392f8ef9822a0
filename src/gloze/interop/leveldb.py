"""Sorted tables of keys and values in LevelDB's format, which TensorFlow's indexes are.

Blocks of entries, each with its checksum; a block that says where they are; a footer that says
where that is (LevelDB, doc/table_format.md). Keys share their beginnings with the key before.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from gloze.core.crc32c import crc32c, masked
from gloze.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Entry = tuple[bytes, bytes]

_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER, _TRAILER = 48, 5
_MOST_BYTES = 16 << 20
# As TensorFlow writes them.
_BLOCK_BYTES, _RESTART = 262144, 16
_PLAIN, _SNAPPY = 0, 1
_AGAIN = "Fetch or copy it again."


def read_table(path: Path) -> list[Entry]:
    """Return all entries of a table, in the order of their keys.

    Raises:
        DataError: if it is no such table, is cut or damaged, or its blocks are compressed.
    """
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise DataError(f"{size:,} bytes are too many for an index.", path=path)
    content = path.read_bytes()
    if len(content) < _FOOTER or not content.endswith(_MAGIC):
        raise DataError("not an index of TensorFlow, or cut.", path=path, hint=_AGAIN)
    try:
        _, at = _handle(content, len(content) - _FOOTER)
        place, _ = _handle(content, at)
        entries: list[Entry] = []
        end = 0
        for _, handle in _entries(_block(content, place, path)):
            (offset, length), _ = _handle(handle, 0)
            if offset < end:
                raise ValueError(f"its blocks overlap at byte {offset}")
            entries += _entries(_block(content, (offset, length), path))
            end = offset + length + _TRAILER
    except ValueError as error:
        raise DataError(f"damaged: {error}.", path=path, hint=_AGAIN) from error
    if any(one >= other for (one, _), (other, _) in pairwise(entries)):
        raise DataError("damaged: its keys are not in order.", path=path, hint=_AGAIN)
    return entries


def varint(content: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, low bits first, and where it ends.

    Raises:
        ValueError: if it has no end.
    """
    value = 0
    for shift in range(0, 70, 7):
        byte = take(content, at, 1)[0]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError(f"a number without end at byte {at}")


def take(content: bytes, at: int, size: int) -> bytes:
    """Return ``size`` bytes from ``at``.

    Raises:
        ValueError: if there are not so many.
    """
    if at + size > len(content):
        raise ValueError(f"{size} bytes are wanted at {at}, and {len(content)} are there")
    return content[at : at + size]


def to_varint(value: int) -> bytes:
    """Write a number of seven bits a byte, low bits first."""
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _handle(content: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Return the place and size of a block, and where they end."""
    offset, at = varint(content, at)
    size, at = varint(content, at)
    return (offset, size), at


def _block(content: bytes, place: tuple[int, int], path: Path) -> bytes:
    """Return a block after comparing its checksum."""
    offset, size = place
    stored = take(content, offset, size + _TRAILER)
    block, kind = stored[:size], stored[size]
    if masked(crc32c(stored[: size + 1])) != int.from_bytes(stored[size + 1 :], "little"):
        raise ValueError(f"the checksum of the block at byte {offset} differs")
    if kind != _PLAIN:
        how = "snappy" if kind == _SNAPPY else f"a method numbered {kind}"
        raise DataError(
            f"its blocks are compressed by {how}; only uncompressed ones can be read.",
            path=path,
            hint="Save the checkpoint anew with TensorFlow's tf.train.Saver.",
        )
    return block


def _entries(block: bytes) -> list[Entry]:
    restarts = int.from_bytes(take(block, len(block) - 4, 4), "little") if len(block) >= 4 else 0
    end = len(block) - 4 - 4 * restarts
    if restarts < 1 or end < 0:
        raise ValueError(f"a block of {len(block)} bytes with {restarts} restarts")
    entries: list[Entry] = []
    key, at, total = b"", 0, 0
    while at < end:
        shared, at = varint(block, at)
        own, at = varint(block, at)
        size, at = varint(block, at)
        if shared > len(key):
            raise ValueError(f"a key shares {shared} bytes with one of {len(key)}")
        total += shared + own
        # A key is whole at every restart, so keys can be only so much longer than what is stored.
        if total > _RESTART * len(block):
            raise ValueError(f"keys of {total} bytes in a block of {len(block)}")
        key = key[:shared] + take(block, at, own)
        entries.append((key, take(block, at + own, size)))
        at += own + size
    return entries


def write_table(path: Path, entries: Iterable[Entry]) -> None:
    """Write a table, byte for byte as TensorFlow writes it.

    Args:
        path: the file.
        entries: in the order of their keys.
    """
    blocks = [_Block(_RESTART)]
    for key, value in entries:
        if blocks[-1].size >= _BLOCK_BYTES:
            blocks.append(_Block(_RESTART))
        blocks[-1].add(key, value)
    content, index = bytearray(), _Block(1)
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        place = _append(content, block)
        index.add(_separator(block.last, following.first if following else None), place)
    footer = _append(content, _Block(_RESTART)) + _append(content, index)
    content += footer.ljust(_FOOTER - len(_MAGIC), b"\0") + _MAGIC
    path.write_bytes(content)


class _Block:
    """Entries as they are stored: a key whole at every restart, after it what differs."""

    def __init__(self, restart: int) -> None:
        self.content, self.restarts = bytearray(), [0]
        self.restart, self.count = restart, 0
        self.first = self.last = b""

    @property
    def size(self) -> int:
        """Bytes of the block so far, without its trailer."""
        return len(self.content) + 4 * len(self.restarts) + 4

    def add(self, key: bytes, value: bytes) -> None:
        """Add an entry behind all others."""
        is_whole = self.count % self.restart == 0
        if is_whole and self.count:
            self.restarts.append(len(self.content))
        shared = 0 if is_whole else _shared(self.last, key)
        self.content += to_varint(shared) + to_varint(len(key) - shared) + to_varint(len(value))
        self.content += key[shared:] + value
        self.first, self.last = (self.first if self.count else key), key
        self.count += 1

    def packed(self) -> bytes:
        """Return the entries, the places of the whole keys, and how many these are."""
        numbers = (*self.restarts, len(self.restarts))
        return bytes(self.content) + b"".join(each.to_bytes(4, "little") for each in numbers)


def _append(content: bytearray, block: _Block) -> bytes:
    """Add a block with its trailer; return its place and size."""
    handle = to_varint(len(content)) + to_varint(block.size)
    stored = block.packed() + bytes([_PLAIN])
    content += stored + masked(crc32c(stored)).to_bytes(4, "little")
    return handle


def _separator(last: bytes, following: bytes | None) -> bytes:
    """Return a short key that is not before the last of a block, and before what follows."""
    if following is None:
        place = next((i for i, byte in enumerate(last) if byte != 255), None)
        return last if place is None else last[:place] + bytes([last[place] + 1])
    shared = _shared(last, following)
    if shared < min(len(last), len(following)) and last[shared] + 1 < following[shared]:
        return last[:shared] + bytes([last[shared] + 1])
    return last


def _shared(one: bytes, other: bytes) -> int:
    """Return how many bytes two keys begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
