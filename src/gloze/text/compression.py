"""Files as bytes, decompressed on the way, with guards against cut files and bombs."""

from __future__ import annotations

import bz2
import io
import lzma
import stat
import sys
import zlib
from typing import TYPE_CHECKING, BinaryIO, Protocol

from gloze.core.errors import DataError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BLOCK_BYTES = 1 << 17
MAX_DECOMPRESSED_BYTES = 10 * 10**9
# A bomb is told from repetitive text by its ratio, but only once it has grown to some size.
MAX_RATIO = 200
RATIO_FREE_BYTES = 64 << 20
XZ_MEMORY_BYTES = 256 << 20
_SPECIAL = {stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}


class _Decompressor(Protocol):
    """One member, stream or frame, as the standard library's classes have it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """One gzip member, with the interface of the other decompressors."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        result = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        # A full answer may hide more output even when all input is taken.
        self.needs_input = len(result) < max_length and not self._inner.unconsumed_tail
        return result


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)


_MAKERS: dict[str, Callable[[], _Decompressor]] = {
    ".gz": _Gzip,
    ".bz2": bz2.BZ2Decompressor,
    ".xz": _xz,
    ".zst": zstd.ZstdDecompressor,
}
COMPRESSED = tuple(_MAKERS)
_ERRORS = (zlib.error, lzma.LZMAError, zstd.ZstdError, OSError, ValueError, EOFError)


def open_binary(path: Path, *, max_bytes: int = MAX_DECOMPRESSED_BYTES) -> BinaryIO:
    """Open a file for reading bytes; .gz, .bz2, .xz and .zst are decompressed on the way.

    All members of a concatenated file are read. A cut or damaged file never passes for a
    shorter one: reading it raises DataError, and so does one that grows to more than
    ``max_bytes``, or to over 200 times its size after the first 64 MiB.

    Raises:
        DataError: if there is no such file, or it is a folder, a device or not readable.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise DataError("is a folder, not a file.", path=path)
        if special := _SPECIAL.get(stat.S_IFMT(mode)):
            raise DataError(f"is {special}, not a file.", path=path)
        file = path.open("rb")
    except FileNotFoundError:
        raise DataError("no such file.", path=path) from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be opened ({error}).", path=path) from error
    make = _MAKERS.get(path.suffix.lower())
    if make is None:
        return file
    return io.BufferedReader(_Decompressed(file, make, path, max_bytes), BLOCK_BYTES)


def refuse_bomb(grown: int, packed: int, max_bytes: int, path: Path) -> None:
    """Refuse ``packed`` bytes that grew to over ``max_bytes``, or to too many times their size.

    Raises:
        DataError: with what to do if the file is honest.
    """
    if grown > max_bytes:
        raise DataError(
            f"is over {max_bytes:,} bytes when decompressed.",
            path=path,
            hint="Split it, or raise max_decompressed_bytes.",
        )
    if grown > RATIO_FREE_BYTES and grown > MAX_RATIO * packed:
        raise DataError(
            f"grows to over {MAX_RATIO} times its size when decompressed.",
            path=path,
            hint="If it is no decompression bomb, store it without compression.",
        )


class _Decompressed(io.RawIOBase):
    """The decompressed bytes of a file of one or more members."""

    def __init__(
        self, file: BinaryIO, make: Callable[[], _Decompressor], path: Path, max_bytes: int
    ) -> None:
        self._file, self._make, self._path, self._max_bytes = file, make, path, max_bytes
        self._member: _Decompressor | None = None
        self._pending = b""
        self._num_read = self._num_written = 0

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._some(len(buffer))
        except _ERRORS as error:
            raise DataError(
                f"the compression is broken near byte {self._num_read} ({error}).",
                path=self._path,
                hint="The file is damaged or cut short: get it again.",
            ) from error
        self._num_written += len(data)
        refuse_bomb(self._num_written, self._num_read, self._max_bytes, self._path)
        buffer[: len(data)] = data
        return len(data)

    def _some(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none only at a proper end."""
        while True:
            if self._member is None and not self._begin_member():
                return b""
            member = self._member
            assert member is not None
            if member.needs_input and not self._pending:
                self._pending = self._read()
                if not self._pending:
                    raise EOFError("the file ends too early")
            data = member.decompress(self._pending, size)
            self._pending = b""
            if member.eof:
                self._pending, self._member = member.unused_data, None
            if data:
                return data

    def _begin_member(self) -> bool:
        """Go to the next member; return whether there is one."""
        is_first = self._num_read == 0
        if not is_first:  # gzip and xz allow zeros between and after members
            self._pending = self._pending.lstrip(b"\0")
        while not self._pending:
            block = self._read()
            if not block:
                if is_first:
                    raise EOFError("the file is empty")
                return False
            self._pending = block if is_first else block.lstrip(b"\0")
        self._member = self._make()
        return True

    def _read(self) -> bytes:
        data = self._file.read(BLOCK_BYTES)
        self._num_read += len(data)
        return data
