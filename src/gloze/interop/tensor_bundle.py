"""TensorFlow's checkpoints, read and written without TensorFlow.

A table of names (``.index``), each with type, shape, place and checksum, and the numbers one
after the other in one or several files (``.data-00000-of-00001``), little-endian. The messages in
the table are those of TensorFlow's ``tensor_bundle.proto``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gloze.core.crc32c import crc32c, masked
from gloze.core.errors import DataError
from gloze.interop.leveldb import read_table, take, to_varint, varint, write_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Array = npt.NDArray[np.generic]

INDEX = ".index"
# Numbers of types.proto.
_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}
_NUMBERS = {np.dtype(name): number for number, name in _TYPES.items()}
_FORMAT, _MOST_SHARDS, _MOST_AXES, _MOST_NUMBERS = 1, 10_000, 16, 1 << 48
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_AGAIN = "Fetch or copy it again."

Fields = dict[int, list[int | bytes]]


@dataclass(frozen=True)
class _Place:
    """Where a tensor is, and what it must be."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    file: Path
    offset: int
    checksum: int

    @property
    def size(self) -> int:
        """Bytes of the numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_bundle(
    prefix: Path, is_wanted: Callable[[str], bool]
) -> tuple[dict[str, Array], list[str]]:
    """Return the wanted tensors of a checkpoint by name, and the names of all others.

    Sizes are compared with the files before memory is taken, checksums after.

    Args:
        prefix: the path without ``.index``.
        is_wanted: says of a name whether to read it.

    Raises:
        DataError: if a file is missing, cut, damaged, or holds what cannot be read.
    """
    path = prefix.with_name(prefix.name + INDEX)
    entries = read_table(path)
    shards = _shards(entries[0] if entries else None, path)
    places: dict[str, _Place] = {}
    others: list[str] = []
    for key, value in entries[1:]:
        name = key.decode("utf-8", errors="backslashreplace")
        if is_wanted(name):
            try:
                places[name] = _place(value, prefix, shards)
            except ValueError as error:
                raise DataError(f"{name}: {error}.", path=path) from error
        else:
            others.append(name)
    _check_files(places)
    return {name: _read(name, place) for name, place in places.items()}, others


def _shards(first: tuple[bytes, bytes] | None, path: Path) -> int:
    """Return how many files of numbers the header names."""
    if first is None or first[0] != b"":
        raise DataError("not a checkpoint: its index has no header.", path=path)
    try:
        header = _fields(first[1])
        needed = _last(_fields(_last_bytes(header, 3)), 2)
        shards, is_big_endian = _last(header, 1), _last(header, 2)
    except ValueError as error:
        raise DataError(f"its header is damaged: {error}.", path=path) from error
    if is_big_endian:
        raise DataError("its numbers are big-endian, which cannot be read.", path=path)
    if not 1 <= shards <= _MOST_SHARDS or needed > _FORMAT:
        raise DataError(f"{shards} files in format {needed} cannot be read.", path=path)
    return shards


def _place(value: bytes, prefix: Path, shards: int) -> _Place:
    entry = _fields(value)
    number, shard = _last(entry, 1), _last(entry, 3)
    if number not in _TYPES:
        raise ValueError(f"numbers of TensorFlow's type {number} cannot be read")
    if 7 in entry:
        raise ValueError("it is in slices, which cannot be read")
    axes = _fields(_last_bytes(entry, 2)).get(2, [])
    if len(axes) > _MOST_AXES or not all(isinstance(axis, bytes) for axis in axes):
        raise ValueError(f"a shape of {len(axes)} axes")
    shape = tuple(_last(_fields(axis), 1) for axis in axes if isinstance(axis, bytes))
    dtype = np.dtype(_TYPES[number])
    stored, wanted = _last(entry, 5), math.prod(shape) * dtype.itemsize
    if stored != wanted:
        raise ValueError(f"{stored} bytes for a shape of {shape}, which takes {wanted}")
    # One of no numbers can have axes of any size, for which there is no array.
    if math.prod(max(axis, 1) for axis in shape) >= _MOST_NUMBERS:
        raise ValueError(f"a shape of {shape} is too large")
    if shard >= shards:
        raise ValueError(f"it is in file {shard} of {shards}")
    file = prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}")
    return _Place(dtype, shape, file, _last(entry, 4), _last(entry, 6))


def _check_files(places: dict[str, _Place]) -> None:
    """Compare sizes with those of the files, which the tensors must share out."""
    left: dict[Path, int] = {}
    for name, place in places.items():
        if not place.file.is_file():
            raise DataError("no such file.", path=place.file, hint=_AGAIN)
        size, end = place.file.stat().st_size, place.offset + place.size
        if end > size:
            raise DataError(
                f"cut: {name} ends at byte {end:,}, the file at {size:,}.",
                path=place.file,
                hint=_AGAIN,
            )
        left[place.file] = left.get(place.file, size) - place.size
        if left[place.file] < 0:
            raise DataError(f"{name} lies over other tensors.", path=place.file, hint=_AGAIN)


def _read(name: str, place: _Place) -> Array:
    array = np.fromfile(place.file, place.dtype, math.prod(place.shape), offset=place.offset)
    if masked(_checksum(array)) != place.checksum:
        raise DataError(
            f"damaged: the checksum of {name} differs.", path=place.file, hint=_AGAIN
        )  # fmt: skip
    return array.reshape(place.shape)


def write_bundle(prefix: Path, tensors: dict[str, Array]) -> None:
    """Write a checkpoint in one file of numbers, byte for byte as TensorFlow writes it.

    Args:
        prefix: the path without ``.index``.
        tensors: by name.
    """
    version = to_varint(1 << 3 | _VARINT) + to_varint(_FORMAT)
    entries = [(b"", _number(1, 1) + _bytes(3, version))]
    by_key = sorted((name.encode(), tensor) for name, tensor in tensors.items())
    offset = 0
    with prefix.with_name(f"{prefix.name}.data-00000-of-00001").open("wb") as file:
        for key, tensor in by_key:
            array = np.ascontiguousarray(tensor, dtype=tensor.dtype.newbyteorder("<"))
            entries.append((key, _entry(array, tensor.shape, offset)))
            array.tofile(file)
            offset += array.nbytes
    write_table(prefix.with_name(prefix.name + INDEX), entries)


def _entry(array: Array, shape: tuple[int, ...], offset: int) -> bytes:
    axes = b"".join(_bytes(2, _number(1, size)) for size in shape)
    place = _number(4, offset) + _number(5, array.nbytes)
    checksum = to_varint(6 << 3 | _FOUR) + masked(_checksum(array)).to_bytes(4, "little")
    return _number(1, _NUMBERS[array.dtype]) + _bytes(2, axes) + place + checksum


def _checksum(array: Array) -> int:
    return crc32c(array.reshape(-1).view(np.uint8))


def _fields(message: bytes) -> Fields:
    """Return the fields of a protocol buffer by number."""
    fields: Fields = {}
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        kind = tag & 7
        value: int | bytes
        if kind == _VARINT:
            value, at = varint(message, at)
        elif kind in (_FOUR, _EIGHT):
            size = 4 if kind == _FOUR else 8
            value, at = int.from_bytes(take(message, at, size), "little"), at + size
        elif kind == _BYTES:
            size, at = varint(message, at)
            value, at = take(message, at, size), at + size
        else:
            raise ValueError(f"a field of kind {kind} at byte {at}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _last(fields: Fields, number: int) -> int:
    value = fields.get(number, [0])[-1]
    if not isinstance(value, int):
        raise ValueError(f"field {number} is no number")
    return value


def _last_bytes(fields: Fields, number: int) -> bytes:
    value = fields.get(number, [b""])[-1]
    if not isinstance(value, bytes):
        raise ValueError(f"field {number} is a number")
    return value


def _number(field: int, value: int) -> bytes:
    return to_varint(field << 3 | _VARINT) + to_varint(value) if value else b""


def _bytes(field: int, value: bytes) -> bytes:
    return to_varint(field << 3 | _BYTES) + to_varint(len(value)) + value
