"""Files of safetensors whose arrays are mapped, not read, and written as they come.

The library reads and writes a file whole; a table of word vectors may be larger than memory.
"""

from __future__ import annotations

import json
import struct
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gloze.core.errors import DataError
from gloze.core.files import new_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Array = npt.NDArray[Any]
_TYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("u1"),
}
_NAMES = {kind: name for name, kind in _TYPES.items()}
_MAX_HEADER = 1 << 20
_ALIGNMENT = 64
_NUMBERS_AT_ONCE = 1 << 22


def map_arrays(path: Path) -> dict[str, Array]:
    """Return the arrays of a file of safetensors by name, mapped for reading.

    Raises:
        DataError: if the file is absent, cut or no safetensors, or a type is unknown.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            if not 2 <= length <= min(_MAX_HEADER, size - 8):
                raise ValueError("no header")
            header = json.loads(file.read(length))
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        return {
            name: _map(path, entry, 8 + length, size - 8 - length)
            for name, entry in entries.items()
        }
    except FileNotFoundError:
        raise DataError("no such file.", path=path) from None
    except (ValueError, TypeError, KeyError, AttributeError, struct.error, RecursionError) as error:
        raise DataError(f"not readable as safetensors: {error!r:.200}.", path=path) from error


def _map(path: Path, entry: dict[str, Any], start: int, room: int) -> Array:
    kind = _TYPES[entry["dtype"]]
    shape = tuple(map(_count, entry["shape"]))
    begin, end = map(_count, entry["data_offsets"])
    if end - begin != prod(shape) * kind.itemsize or end > room:
        raise ValueError(f"{end - begin} of {room} bytes for {shape} numbers of {kind}")
    if not prod(shape):
        return np.zeros(shape, kind)
    return np.memmap(path, kind, mode="r", offset=start + begin, shape=shape)


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays as safetensors, whole or not at all, some millions of numbers at a time.

    Raises:
        WriteError: if the disk is full or the place cannot be written to.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "np"}}
    # The widest types first, so that every array begins where its type may.
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    end = 0
    for name, array in ordered:
        begin, end = end, end + array.nbytes
        kind = _NAMES[array.dtype.newbyteorder("<")]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    with new_file(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, array in ordered:
            flat = array.reshape(-1)
            for start in range(0, len(flat), _NUMBERS_AT_ONCE):
                some = flat[start : start + _NUMBERS_AT_ONCE]
                file.write(np.ascontiguousarray(some, some.dtype.newbyteorder("<")).data)
