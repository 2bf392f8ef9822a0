"""Compressed files as a stream of blocks that never trusts the file about its size."""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from typing import TYPE_CHECKING, Any, Protocol

from gloze.core.errors import DataError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gloze.text.report import ReadOptions

BLOCK_BYTES = 1 << 18
FREE_BYTES = 64 << 20
XZ_MEMORY = 256 << 20  # xz -9 needs 65 MiB
_ERRORS = (zlib.error, lzma.LZMAError, zstd.ZstdError, OSError, EOFError, ValueError, MemoryError)


class Decompressor(Protocol):
    """What bz2, lzma and zstd offer for one member of a file."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib's decompressor in the manner of the other three."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _xz() -> Any:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


COMPRESSIONS: dict[str, Callable[[], Any]] = {
    ".gz": _Gzip,
    ".bz2": bz2.BZ2Decompressor,
    ".xz": _xz,
    ".zst": zstd.ZstdDecompressor,
}
MAGIC = {
    b"\x1f\x8b": ".gz",
    b"BZh": ".bz2",
    b"\xfd7zXZ\x00": ".xz",
    b"\x28\xb5\x2f\xfd": ".zst",
}


class _Limits:
    """How much a file may unpack to, given what it has unpacked to so far."""

    def __init__(self, path: str, options: ReadOptions) -> None:
        self.path, self.options = path, options
        self.packed = self.unpacked = 0

    def check(self) -> None:
        most, expansion = self.options.max_file_bytes, self.options.max_expansion
        if self.unpacked > most:
            raise DataError(
                f"unpacks to more than {most:,} bytes.",
                path=self.path,
                hint="Cut it in parts, or raise max_file_bytes if you trust it.",
            )
        if self.unpacked > FREE_BYTES and self.unpacked > self.packed * expansion:
            raise DataError(
                f"unpacks to over {expansion} times its size, which text does not.",
                path=self.path,
                hint="Unpack it yourself, or raise max_expansion if you trust it.",
            )


def unpack(
    blocks: Iterator[bytes], suffix: str, path: str, options: ReadOptions
) -> Iterator[bytes]:
    """Yield the unpacked content in blocks of at most 256 KiB, all members of the file in turn.

    Raises:
        DataError: if the file is cut short, damaged, followed by something else, or unpacks to
            more than the options allow. Checksums are verified.
    """
    limits, make = _Limits(path, options), COMPRESSIONS[suffix]
    member: Decompressor | None = None
    for packed in blocks:
        limits.packed += len(packed)
        data = packed
        while data:
            if member is None:
                # gzip and xz allow zeros between and after their members.
                at_start = limits.packed == len(data)
                data = data if at_start or suffix not in (".gz", ".xz") else data.lstrip(b"\0")
                if not data:
                    break
                member = make()
            yield from _unpack_member(member, data, limits)
            data = b""
            if member.eof:
                data, member = member.unused_data, None
    if member is not None or not limits.packed:
        raise DataError(
            f"cut short: the {suffix} data ends before its end mark.",
            path=path,
            hint="Fetch or make the file again.",
        )


def _unpack_member(member: Decompressor, data: bytes, limits: _Limits) -> Iterator[bytes]:
    """Yield all that ``data`` adds to one member."""
    while True:
        try:
            block = member.decompress(data, BLOCK_BYTES)
        except _ERRORS as error:
            raise DataError(
                f"damaged: {error or type(error).__name__} "
                f"(after {limits.unpacked:,} unpacked bytes).",
                path=limits.path,
                hint="Fetch or make the file again.",
            ) from None
        data = b""
        limits.unpacked += len(block)
        limits.check()
        if block:
            yield block
        if member.eof or (member.needs_input and len(block) < BLOCK_BYTES):
            return
