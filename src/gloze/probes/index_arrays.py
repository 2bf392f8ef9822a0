"""The arrays of an index of occurrences, as they lie on disk, opened only if they fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gloze.core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

KINDS: dict[str, type[np.generic]] = {
    "vectors": np.float16,
    "words": np.int32,
    "sentences": np.int64,
    "places": np.int32,
    "text": np.uint8,
    "text_ends": np.int64,
}
_TABLES = ("vectors", "places")


def open_arrays(
    folder: Path, *, words: int, sentences: int, occurrences: int
) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of an index, mapped into memory, by name.

    Args:
        folder: of the index.
        words: different ones that it knows.
        sentences: that it has.
        occurrences: that it has.

    Raises:
        DataError: naming the first file that is no such array, or does not fit the others.
    """
    arrays = {name: _open(folder / f"{name}.npy", name) for name in KINDS}
    ends = arrays["text_ends"]
    counts = {"text_ends": sentences, "text": int(ends[-1]) if len(ends) else 0}
    for name, found in arrays.items():
        if len(found) != counts.get(name, occurrences):
            raise DataError("does not fit index.json.", path=folder / f"{name}.npy")
    if arrays["places"].shape[1] != 2:
        raise DataError("does not fit: a place is a start and an end.", path=folder / "places.npy")
    if len(ends) and (ends[0] < 0 or (np.diff(ends) < 0).any()):
        raise DataError("holds ends that do not ascend.", path=folder / "text_ends.npy")
    for name, limit in (("words", words), ("sentences", sentences)):
        _check_range(arrays[name], limit, folder / f"{name}.npy")
    return arrays


def _open(path: Path, name: str) -> npt.NDArray[Any]:
    kind, dimensions = KINDS[name], 2 if name in _TABLES else 1
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"not a readable array ({error}).", path=path) from None
    if found.dtype != kind:
        raise DataError(f"holds {found.dtype}, expected {np.dtype(kind)}.", path=path)
    if found.ndim != dimensions:
        raise DataError(f"has {found.ndim} dimensions, expected {dimensions}.", path=path)
    return found


def _check_range(numbers: npt.NDArray[Any], limit: int, path: Path) -> None:
    if not len(numbers):
        return
    low, high = int(numbers.min()), int(numbers.max())
    if low < 0 or high >= limit:
        raise DataError(f"holds numbers {low} to {high}, expected 0 to {limit - 1}.", path=path)
