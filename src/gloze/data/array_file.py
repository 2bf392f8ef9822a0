"""A NumPy array on disk that grows, in the end an ordinary ``.npy`` file."""

from __future__ import annotations

import mmap
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER_BYTES = 128


class ArrayFile:
    """A ``.npy`` file that grows row by row; its header is written last.

    Attributes:
        dtype: of the numbers, little-endian.
        row: shape of a row; numbers by default, and so an array of one dimension.
        size: how many rows there are.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], row: tuple[int, ...] = ()) -> None:
        self.dtype, self.row, self.size = dtype.newbyteorder("<"), row, 0
        self._file: BinaryIO = path.open("wb")
        self._file.write(b"\0" * _HEADER_BYTES)

    def add(self, numbers: npt.NDArray[Any]) -> None:
        """Append rows."""
        self._file.write(np.ascontiguousarray(numbers, self.dtype).data)
        self.size += len(numbers)

    def finish(self) -> None:
        """Write the header and close."""
        shape = (self.size, *self.row)
        header = f"{{'descr': {self.dtype.str!r}, 'fortran_order': False, 'shape': {shape}, }}"
        room = _HEADER_BYTES - 10
        start = b"\x93NUMPY\x01\x00" + room.to_bytes(2, "little")
        self._file.seek(0)
        self._file.write(start + header.ljust(room - 1).encode() + b"\n")
        self._file.close()

    def close(self) -> None:
        """Close without a header: the file is not to be used."""
        self._file.close()


@contextmanager
def array_file(path: Path, dtype: npt.DTypeLike, row: tuple[int, ...] = ()) -> Iterator[ArrayFile]:
    """Yield an :class:`ArrayFile` that is finished, or closed without a header after an error."""
    file = ArrayFile(path, np.dtype(dtype), row)
    try:
        yield file
        file.finish()
    finally:
        file.close()


def map_array(path: Path) -> npt.NDArray[Any]:
    """Map a ``.npy`` file of ours, read-only."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def release(array: npt.NDArray[Any]) -> None:
    """Give back the memory of what was read of a mapped array; the file still holds it."""
    mapped = getattr(array, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
