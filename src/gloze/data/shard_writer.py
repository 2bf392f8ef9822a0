"""Writing shards: documents in, arrays on disk, in bounded memory."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gloze.core import rng
from gloze.core.errors import DataError
from gloze.core.files import write_text
from gloze.core.manifest import sha256
from gloze.data.array_file import ArrayFile
from gloze.data.encoding import EncodedDocuments
from gloze.data.shards import (
    ARRAYS,
    FORMAT_VERSION,
    INDEX,
    SPLITS,
    TOKENIZER,
    array_path,
    index_text,
    smallest_dtype,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from gloze.tokenizers import Segmenter, Tokenizer


class _SplitWriter:
    """The four arrays of one split."""

    def __init__(self, folder: Path, split: str, dtype: np.dtype[Any]) -> None:
        offsets = np.dtype(np.int64)
        types: list[np.dtype[Any]] = [dtype, offsets, offsets, np.dtype(np.uint8)]
        self.files = [
            ArrayFile(array_path(folder, split, array), kind)
            for array, kind in zip(ARRAYS, types, strict=True)
        ]
        self.tokens, self.sentences, self.documents, self.word_starts = self.files
        self._bits = np.zeros(0, bool)
        for file in (self.sentences, self.documents):
            file.add(np.zeros(1, offsets))

    def add(self, documents: EncodedDocuments) -> None:
        before = self.sentences.size - 1
        self.sentences.add(self.tokens.size + np.cumsum(documents.lengths))
        self.tokens.add(documents.tokens)
        self.documents.add(before + np.cumsum(documents.sizes))
        bits = np.concatenate([self._bits, documents.word_starts])
        whole = len(bits) - len(bits) % 8
        self.word_starts.add(np.packbits(bits[:whole], bitorder="little"))
        self._bits = bits[whole:]

    @property
    def num_documents(self) -> int:
        return self.documents.size - 1

    def finish(self) -> dict[str, int]:
        self.word_starts.add(np.packbits(self._bits, bitorder="little"))
        for file in self.files:
            file.finish()
        return {
            "tokens": self.tokens.size,
            "sentences": self.sentences.size - 1,
            "documents": self.num_documents,
        }


@dataclass
class ShardWriter:
    """Writes documents into ``folder`` as they come, each into one of two splits.

    Which split depends on the seed and the number of the document. The last document is kept
    in hand until the end, so that neither split stays empty where both should have some.

    Attributes:
        folder: an existing folder, best a temporary one that is renamed when complete.
        tokenizer: the one that made the ids; a copy is written.
        valid_fraction: share of documents held out.
        seed: decides which.
        segmenter: what found the words, if not the tokenizer; kept in the index.
        num_empty: how many had no token, and were dropped.
    """

    folder: Path
    tokenizer: Tokenizer
    valid_fraction: float = 0.01
    seed: int = 0
    segmenter: Segmenter | None = None
    num_empty: int = field(default=0, init=False)
    _written: int = field(default=0, init=False)
    _open: list[EncodedDocuments] = field(default_factory=list, init=False)
    _last: EncodedDocuments | None = field(default=None, init=False)
    _splits: dict[str, _SplitWriter] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.dtype = smallest_dtype(self.tokenizer.vocab_size)
        for split in SPLITS:
            self._splits[split] = _SplitWriter(self.folder, split, self.dtype)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for split in self._splits.values():
            for file in split.files:
                with suppress(OSError):  # a full disk is known already
                    file.close()

    @property
    def num_documents(self) -> int:
        """How many documents were given, without empty and unfinished ones."""
        return self._written + (self._last is not None)

    def add(self, documents: EncodedDocuments) -> None:
        """Add documents, the first of which goes on from the last before if that was open."""
        places, is_open = np.arange(len(documents.sizes)), documents.is_open
        if self._open:
            self._open.append(documents.select(places == 0))
            if is_open and len(places) == 1:
                return
            self._add_whole(EncodedDocuments.join(self._open))
            self._open = []
            documents = documents.select(places > 0)
            places = places[1:] - 1
        if is_open:
            self._open = [documents.select(places == len(places) - 1)]
            documents = documents.select(places < len(places) - 1)
        self._add_whole(documents)

    def _add_whole(self, documents: EncodedDocuments) -> None:
        """Drop empty documents, keep the last of the others in hand, write the rest."""
        kept = documents.sizes > 0
        self.num_empty += int(np.count_nonzero(~kept))
        documents = documents.select(kept)
        places = np.arange(len(documents.sizes))
        if len(places):
            if self._last is not None:
                self._write(self._last)
            self._last = documents.select(places == len(places) - 1)
            self._write(documents.select(places < len(places) - 1))

    def _write(self, documents: EncodedDocuments) -> None:
        is_valid = self._draw(len(documents.sizes))
        self._written += len(is_valid)
        self._splits["train"].add(documents.select(~is_valid))
        self._splits["valid"].add(documents.select(is_valid))

    def _draw(self, num_documents: int) -> npt.NDArray[np.bool_]:
        """Say which of the next documents are held out."""
        numbers = np.arange(self._written, self._written + num_documents, dtype=np.uint64)
        return rng.uniform(numbers, rng.derive("held-out", self.seed)) < self.valid_fraction

    def finish(self, report: dict[str, Any], copied: Sequence[str] = ()) -> dict[str, Any]:
        """Write what is in hand, the tokenizer and the index, which is returned.

        Args:
            report: what is worth knowing of the making; kept in the index.
            copied: further files of the folder to list with their checksums.

        Raises:
            DataError: if there is no document, or one only and some should be held out.
        """
        if self._open:
            self._add_whole(EncodedDocuments.join(self._open))
        if self._last is None:
            raise DataError("the corpus has no text.", hint="Check the input files.")
        if self.valid_fraction > 0 and self.num_documents == 1:
            raise DataError(
                "the corpus is one single document, so none can be held out.",
                hint="Put blank lines between documents, or hold none out: "
                "gloze prepare --valid-fraction 0.",
            )
        self._splits[self._last_split()].add(self._last)
        counts = {name: split.finish() for name, split in self._splits.items()}
        self.tokenizer.save(self.folder / TOKENIZER)
        index = {
            "format_version": FORMAT_VERSION,
            "tokenizer": self.tokenizer.fingerprint,
            "vocab_size": self.tokenizer.vocab_size,
            "segmenter": self.segmenter and self.segmenter.identity,
            "dtype": self.dtype.name,
            "seed": self.seed,
            "valid_fraction": self.valid_fraction,
            "splits": counts,
            "files": self._checksums(copied),
            "report": report,
        }
        write_text(self.folder / INDEX, index_text(index))
        return index

    def _last_split(self) -> str:
        if self.valid_fraction > 0:
            for split in ("valid", "train"):
                if not self._splits[split].num_documents:
                    return split
        return "valid" if self._draw(1)[0] else "train"

    def _checksums(self, copied: Sequence[str]) -> dict[str, Any]:
        paths = [array_path(self.folder, split, array) for split in SPLITS for array in ARRAYS]
        paths += sorted((self.folder / TOKENIZER).iterdir())
        paths += [self.folder / name for name in copied]
        return {
            path.relative_to(self.folder).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": sha256(path),
            }
            for path in paths
        }
