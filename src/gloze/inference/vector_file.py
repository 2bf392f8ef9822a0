"""Vectors written as they come, to ``.npy`` or ``.npz``, whole or not at all."""

from __future__ import annotations

import shutil
import zipfile
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from gloze.core.files import new_file, writing
from gloze.data.array_file import ArrayFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gloze.inference.features import Features


class VectorWriter(Protocol):
    """Takes the vectors of one text after the other."""

    def write(self, features: Features) -> None:
        """Append those of a text."""
        ...


@contextmanager
def write_npy(path: Path, *, force: bool) -> Iterator[VectorWriter]:
    """Yield a writer of pooled vectors; the array, [texts, ...], appears when the block ends.

    Raises:
        ConfigError: if the file exists and ``force`` is not set.
        WriteError: if the disk is full or the place cannot be written to.
    """
    with (
        new_file(path, force=force) as temporary,
        writing(path),
        closing(_Npy(temporary)) as writer,
    ):
        yield writer
        writer.finish()


@contextmanager
def write_npz(path: Path, *, pooled: bool, force: bool) -> Iterator[VectorWriter]:
    """Yield a writer; the file appears when the block ends.

    It holds ``vectors`` [words, ...] of all texts end to end, ``lengths`` (words of each text),
    ``offsets`` [words, 2] and ``pieces`` [words]; of pooled vectors ``vectors`` [texts, ...]
    alone. They are laid on the disk beside it first, so it takes twice its size for a moment.

    Raises:
        ConfigError: if the file exists and ``force`` is not set.
        WriteError: if the disk is full or the place cannot be written to.
    """
    with new_file(path, force=force) as temporary, writing(path):
        parts = temporary.with_name(f"{temporary.name}-parts")
        parts.mkdir()
        try:
            with closing(_Npz(parts, pooled=pooled)) as writer:
                yield writer
                writer.finish()
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
                for part in sorted(parts.iterdir()):
                    # Opened by name an entry bears no time: the same vectors, the same bytes.
                    with (
                        part.open("rb") as source,
                        archive.open(part.name, "w", force_zip64=True) as entry,
                    ):
                        shutil.copyfileobj(source, entry, 1 << 20)
        finally:
            shutil.rmtree(parts, ignore_errors=True)


class _Npy:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: ArrayFile | None = None

    def write(self, features: Features) -> None:
        self.add(features.vectors[None])

    def add(self, rows: npt.NDArray[np.float32]) -> None:
        if self.file is None:
            self.file = ArrayFile(self.path, np.dtype(np.float32), rows.shape[1:])
        self.file.add(rows)

    def finish(self) -> None:
        if self.file is not None:
            self.file.finish()

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


class _Npz:
    def __init__(self, folder: Path, *, pooled: bool) -> None:
        self.folder, self.pooled = folder, pooled
        self.vectors = _Npy(folder / "vectors.npy")
        self.others: dict[str, ArrayFile] = {}

    def write(self, features: Features) -> None:
        if self.pooled:
            self.vectors.write(features)
            return
        self.vectors.add(features.by_word)
        self._add("lengths", np.array([len(features.words)]))
        self._add("offsets", features.offsets)
        self._add("pieces", features.pieces)

    def _add(self, name: str, rows: npt.NDArray[np.int64]) -> None:
        if name not in self.others:
            path = self.folder / f"{name}.npy"
            self.others[name] = ArrayFile(path, np.dtype(np.int64), rows.shape[1:])
        self.others[name].add(rows)

    def finish(self) -> None:
        self.vectors.finish()
        for file in self.others.values():
            file.finish()

    def close(self) -> None:
        self.vectors.close()
        for file in self.others.values():
            file.close()
