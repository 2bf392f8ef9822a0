"""A corpus as token ids on disk: memory-mapped, checked, read by every system.

A folder holds two splits, ``train`` and ``valid``, of four ``.npy`` files each, a copy of the
tokenizer, and ``shards.json`` with the counts and the SHA-256 of every file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from gloze.core.errors import DataError
from gloze.core.files import read_json
from gloze.core.manifest import verify_file

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_VERSION = 1
INDEX = "shards.json"
TOKENIZER = "tokenizer"
SPLITS = ("train", "valid")
ARRAYS = ("tokens", "sentences", "documents", "word-starts")
SHARD_FILES = (INDEX, TOKENIZER, *(f"{split}-*.npy" for split in SPLITS))
Split = Literal["train", "valid"]
Array = npt.NDArray[Any]
_REMAKE = "Make the shards again with `gloze prepare`."
_CHUNK = 1 << 22


def smallest_dtype(vocab_size: int) -> np.dtype[Any]:
    """Return the smallest unsigned type that holds every id of a vocabulary."""
    return np.min_scalar_type(max(vocab_size - 1, 0))


def array_path(folder: Path, split: str, array: str) -> Path:
    """Return where an array of a split lies."""
    return folder / f"{split}-{array}.npy"


def index_text(index: dict[str, Any]) -> str:
    """Return the exact text of ``shards.json``, which ends in the SHA-256 of the rest."""
    content = {key: value for key, value in index.items() if key != "sha256"}
    plain = json.dumps(content, ensure_ascii=False, allow_nan=False)
    content["sha256"] = hashlib.sha256(plain.encode()).hexdigest()
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True)
class Shards:
    """One split of a prepared corpus, read from disk as needed.

    Attributes:
        tokens: ids of all sentences end to end, [tokens], in the smallest type that fits.
        sentences: where each sentence starts in ``tokens``, and their end, [sentences + 1].
        documents: which sentence each document starts with, and their end, [documents + 1].
        word_starts: one bit a token, set at the first token of a word, the lowest bit first
            (``np.packbits(..., bitorder="little")``), [bytes].
        folder: where the shards lie.
        split: which split this is.
        index: the content of ``shards.json``.
    """

    tokens: Array
    sentences: Array
    documents: Array
    word_starts: Array
    folder: Path
    split: str
    index: dict[str, Any]

    @property
    def num_tokens(self) -> int:
        """Number of tokens."""
        return len(self.tokens)

    @property
    def num_sentences(self) -> int:
        """Number of sentences."""
        return len(self.sentences) - 1

    @property
    def num_documents(self) -> int:
        """Number of documents."""
        return len(self.documents) - 1

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the tokenizer that made the shards."""
        return str(self.index["tokenizer"])

    @property
    def vocab_size(self) -> int:
        """Number of tokens of that tokenizer."""
        return int(self.index["vocab_size"])

    @property
    def segmenter(self) -> str | None:
        """What found the words; None if the tokenizer did."""
        return self.index.get("segmenter")

    @property
    def tokenizer_path(self) -> Path:
        """The copy of that tokenizer."""
        return self.folder / TOKENIZER

    @classmethod
    def open(
        cls, folder: Path, split: Split, *, fingerprint: str | None = None, verify: bool = True
    ) -> Shards:
        """Open one split of the shards in ``folder``.

        Sizes, types and the tokenizer are always checked; ``verify`` also reads every file once
        to compare its SHA-256 and to check that ids and offsets are in range.

        Args:
            folder: written by ``gloze prepare``.
            split: ``train`` or ``valid``; the latter is empty if nothing was held out.
            fingerprint: of the tokenizer that will be used, to refuse shards of another.
            verify: whether to read and check all content.

        Raises:
            DataError: naming the file that is missing, cut, altered or made otherwise.
        """
        index = read_index(folder)
        if fingerprint is not None and fingerprint != index["tokenizer"]:
            raise DataError(
                f"made with another tokenizer ({index['tokenizer'][:12]}, not {fingerprint[:12]}).",
                path=folder / INDEX,
                hint="Prepare the corpus again with this tokenizer, or use the one in "
                f"{folder / TOKENIZER}.",
            )
        names = [array_path(folder, split, array).name for array in ARRAYS]
        copies = [name for name in index["files"] if name.startswith(f"{TOKENIZER}/")]
        for name in [*names, *copies]:
            _check_file(folder / name, index["files"].get(name), verify=verify)
        tokens, sentences, documents, word_starts = _map_arrays(folder, split, index)
        shards = cls(tokens, sentences, documents, word_starts, folder, split, index)
        if verify:
            _check_content(shards)
        return shards


def read_index(folder: Path) -> dict[str, Any]:
    """Read and check ``shards.json``.

    Raises:
        DataError: if the folder holds no shards, or its index is altered or of another version.
    """
    path = folder / INDEX
    if not path.is_file():
        raise DataError("no shards here.", path=path, hint="Make them with `gloze prepare`.")
    index = read_json(path)
    if not isinstance(index, dict):
        raise DataError("altered since it was written.", path=path, hint=_REMAKE)
    version = index.get("format_version")
    try:
        intact = index_text(index).encode() == path.read_bytes()
    except ValueError:
        intact = False
    if type(version) is int and version != FORMAT_VERSION and intact:
        raise DataError(
            f"format version {version}; this gloze reads version {FORMAT_VERSION}.",
            path=path,
            hint=_REMAKE,
        )
    if not intact or not _has_index_shape(index):
        raise DataError("altered since it was written.", path=path, hint=_REMAKE)
    return index


def _has_index_shape(index: dict[str, Any]) -> bool:
    """Say whether all that is read of the index later is there and of its type."""
    splits, files = index.get("splits"), index.get("files")
    return (
        index.get("format_version") == FORMAT_VERSION
        and isinstance(index.get("tokenizer"), str)
        and _is_count(index.get("vocab_size"))
        and isinstance(index.get("segmenter"), str | None)
        and index.get("dtype") in ("uint8", "uint16", "uint32")
        and isinstance(files, dict)
        and all(isinstance(entry, dict) for entry in files.values())
        and isinstance(splits, dict)
        and all(isinstance(splits.get(split), dict) for split in SPLITS)
        and all(_is_count(splits[split].get(x)) for split in SPLITS for x in ARRAYS[:3])
    )


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 48


def _check_file(path: Path, known: dict[str, Any] | None, *, verify: bool) -> None:
    try:
        if known is None:
            raise DataError("not listed in shards.json.", path=path)
        if verify:
            verify_file(path, known)
        elif not path.is_file():
            raise DataError("missing.", path=path)
        elif path.stat().st_size != known.get("bytes"):
            raise DataError(
                f"{path.stat().st_size} bytes where {known.get('bytes')} were written.", path=path
            )
    except DataError as error:
        raise DataError(error.reason, path=error.path, hint=_REMAKE) from None


def _map_arrays(folder: Path, split: str, index: dict[str, Any]) -> tuple[Array, ...]:
    counts = index["splits"][split]
    tokens = counts["tokens"]
    expected = (
        (np.dtype(index["dtype"]), tokens),
        (np.dtype(np.int64), counts["sentences"] + 1),
        (np.dtype(np.int64), counts["documents"] + 1),
        (np.dtype(np.uint8), -(-tokens // 8)),
    )
    paths = [array_path(folder, split, array) for array in ARRAYS]
    return tuple(
        _map_array(path, dtype, size) for path, (dtype, size) in zip(paths, expected, strict=True)
    )


def _map_array(path: Path, dtype: np.dtype[Any], size: int) -> Array:
    """Map a one-dimensional ``.npy`` file of a type and size that are known beforehand."""
    with path.open("rb") as file:
        header = _read_header(file)
        start = file.tell()
    wrong = header != ((size,), False, dtype.newbyteorder("<"))
    if wrong or path.stat().st_size != start + size * dtype.itemsize:
        raise DataError(f"not a .npy file of {size} {dtype} numbers.", path=path, hint=_REMAKE)
    if not size:
        return np.zeros(0, dtype)
    return np.memmap(path, dtype, mode="r", offset=start, shape=(size,))


def _read_header(file: BinaryIO) -> object:
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            return None
        return np.lib.format.read_array_header_1_0(file)
    except Exception:  # numpy raises many kinds for a broken header
        return None


def _check_content(shards: Shards) -> None:
    """Check that offsets rise from 0 to their end and ids are in the vocabulary."""
    ends = ((shards.sentences, shards.num_tokens), (shards.documents, shards.num_sentences))
    for array, (offsets, end) in zip(("sentences", "documents"), ends, strict=True):
        path = array_path(shards.folder, shards.split, array)
        if offsets[0] != 0 or offsets[-1] != end or not _rises(offsets):
            raise DataError(f"offsets do not rise from 0 to {end}.", path=path, hint=_REMAKE)
    for start in range(0, shards.num_tokens, _CHUNK):
        highest = int(shards.tokens[start : start + _CHUNK].max())
        if highest >= shards.vocab_size:
            raise DataError(
                f"id {highest} is not in the vocabulary of {shards.vocab_size}.",
                path=array_path(shards.folder, shards.split, "tokens"),
                hint=_REMAKE,
            )


def _rises(offsets: Array) -> bool:
    return all(
        bool(np.all(np.diff(offsets[start : start + _CHUNK + 1]) > 0))
        for start in range(0, len(offsets), _CHUNK)
    )
