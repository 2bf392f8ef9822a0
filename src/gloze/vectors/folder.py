"""Word vectors in a folder of ours: settings, and all arrays in one file that is mapped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from gloze.core.errors import ConfigError, DataError
from gloze.core.files import new_folder, read_json
from gloze.core.tensor_file import map_arrays, write_arrays
from gloze.tokenizers.config import TokenizerConfig
from gloze.vectors.table import WordVectors
from gloze.vectors.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    Array = npt.NDArray[Any]

MODEL_TYPE = "word-vectors"
CONFIG, ARRAYS, CARD = "config.json", "model.safetensors", "README.md"
FILES = (CONFIG, ARRAYS, CARD)
# Where they lie in a run that trained another model too.
VECTORS = "vectors"
_CUT = ("cased", "keep_accents", "split")
# So many rows and words are looked at closely.
_LOOKED_AT = 256


def is_vectors(folder: Path) -> bool:
    """Return whether a folder says that it holds word vectors of ours."""
    path = folder / CONFIG
    config = read_json(path) if path.is_file() else None
    return isinstance(config, dict) and config.get("model_type") == MODEL_TYPE


def save_vectors(
    folder: Path, vectors: WordVectors, *, card: str = "", force: bool = False
) -> None:
    """Write word vectors into a folder.

    Args:
        folder: to write.
        vectors: all that is known of them is kept.
        card: text of ``README.md``; none is written without.
        force: replace ``folder`` if it exists.

    Raises:
        ConfigError: if ``folder`` exists and may not be replaced.
        WriteError: if the disk is full or the place cannot be written to.
    """
    with new_folder(folder, force=force, ours=FILES) as temporary:
        write_vectors(temporary, vectors, card=card)


def write_vectors(
    folder: Path,
    vectors: WordVectors,
    *,
    card: str = "",
    settings: Mapping[str, Any] | None = None,
    more: Mapping[str, Array] | None = None,
) -> None:
    """Write the files of word vectors into a folder that is there.

    Args:
        folder: to write into.
        vectors: all that is known of them is kept.
        card: text of ``README.md``; none is written without.
        settings: more entries of ``config.json``.
        more: arrays beside those of the vectors.

    Raises:
        DataError: if a vector is too long for its length to be written.
        WriteError: if the disk is full or the place cannot be written to.
    """
    config = {
        **(settings or {}),
        "model_type": MODEL_TYPE,
        "vocab_size": len(vectors),
        "hidden_size": vectors.size,
        **{name: getattr(vectors.cut, name) for name in _CUT},
        "is_sum": vectors.is_sum,
    }
    words = vectors.words
    if not np.isfinite(vectors.norms).all():
        raise DataError("a vector is too long for its length to be written.")
    arrays: dict[str, Array] = {
        **(more or {}),
        "vectors": vectors.vectors,
        "norms": vectors.norms,
        "words.text": words.text,
        "words.ends": words.ends,
        "words.order": words.order,
    }
    for name in ("context", "counts", "idf"):
        if (array := getattr(vectors, name)) is not None:
            arrays[name] = array
    write_arrays(folder / ARRAYS, arrays)
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    (folder / CONFIG).write_text(text, encoding="utf-8")
    if card:
        (folder / CARD).write_text(card, encoding="utf-8")


def load_vectors(folder: Path) -> WordVectors:
    """Map the word vectors of a folder of ours; what is not asked for is not read.

    Raises:
        DataError: if a file is missing, broken, or does not fit the others.
    """
    config, path = read_json(folder / CONFIG), folder / ARRAYS
    if not isinstance(config, dict) or config.get("model_type") != MODEL_TYPE:
        raise DataError("no word vectors of gloze.", path=folder / CONFIG)
    cut, is_sum = _cut(config, folder / CONFIG), config.get("is_sum", False)
    if not isinstance(is_sum, bool):
        raise DataError("is_sum is no truth value.", path=folder / CONFIG)
    arrays = map_arrays(path)
    vectors = _array(arrays, "vectors", np.float32, 2, path)
    count = len(vectors)
    if (
        not vectors.shape[1]
        or (config.get("vocab_size"), config.get("hidden_size")) != vectors.shape
    ):
        raise DataError(
            f"its vectors are {vectors.shape}, not vocab_size by hidden_size of {CONFIG}.",
            path=path,
        )
    words = _words(arrays, count, path)
    norms = _array(arrays, "norms", np.float32, 1, path, count)
    some = np.unique(np.linspace(0, count - 1, min(count, _LOOKED_AT)).astype(np.int64))
    lengths = np.linalg.norm(np.asarray(vectors[some], np.float64), axis=1)
    if not np.isfinite(norms).all() or not np.allclose(norms[some], lengths, rtol=1e-3):
        raise DataError("norms are not the lengths of its vectors, or not finite.", path=path)
    more = {
        name: _array(arrays, name, kind, axes, path, count)
        for name, kind, axes in (("context", np.float32, 2), ("idf", np.float32, 1))
        if name in arrays
    }
    counts = _array(arrays, "counts", np.int64, 1, path, count) if "counts" in arrays else None
    if "context" in more and more["context"].shape != vectors.shape:
        raise DataError("its context vectors are not as many or as long.", path=path)
    found = WordVectors(words, vectors, norms=norms, counts=counts, cut=cut, **more)
    found.is_sum = is_sum
    return found


def _cut(config: dict[str, Any], path: Path) -> TokenizerConfig:
    """Return how texts are cut, as the settings say it."""
    values = {name: config.get(name, False) for name in _CUT}
    for name in ("cased", "keep_accents"):
        if not isinstance(values[name], bool):
            raise DataError(f"{name} is no truth value.", path=path)
    try:
        return TokenizerConfig(kind="words", **values)
    except (ConfigError, TypeError) as error:
        raise DataError(str(error), path=path) from None


def _array(
    arrays: Mapping[str, Array],
    name: str,
    kind: type[np.generic],
    axes: int,
    path: Path,
    count: int | None = None,
) -> Array:
    array = arrays.get(name)
    if array is None:
        raise DataError(f"no array {name!r}.", path=path)
    if array.dtype != kind or array.ndim != axes or count not in (None, len(array)):
        many = "" if count is None else f"{count:,} rows of "
        raise DataError(
            f"{name} is {array.shape} of {array.dtype}, expected {many}{np.dtype(kind)} in {axes} "
            "dimensions.",
            path=path,
        )
    return array


def _words(arrays: Mapping[str, Array], count: int, path: Path) -> Words:
    text = _array(arrays, "words.text", np.uint8, 1, path)
    ends = _array(arrays, "words.ends", np.int64, 1, path, count)
    order = _array(arrays, "words.order", np.int32, 1, path, count)
    starts = np.append(0, ends[:-1])
    if count and (order.min() < 0 or order.max() >= count):
        raise DataError("the order of its words is broken.", path=path)
    # Words begin where characters do, and each has its place in the order.
    is_whole = count == 0 or (ends[-1] == len(text) and bool((ends >= starts).all()))
    if not is_whole or (text[starts[starts < len(text)]] & 0xC0 == 0x80).any():
        raise DataError("its words are cut off.", path=path)
    if count and not (np.bincount(order, minlength=count) == 1).all():
        raise DataError("the order of its words is broken.", path=path)
    try:
        text.tobytes().decode()
    except UnicodeDecodeError:
        raise DataError("its words are not UTF-8.", path=path) from None
    words = Words(text, ends, order)
    places = np.unique(np.linspace(0, count - 2, min(count - 1, _LOOKED_AT)).astype(np.int64))
    for place in places.tolist() if count > 1 else ():
        first, second = (words[int(order[p])].encode() for p in (place, place + 1))
        if not first < second:
            raise DataError("the order of its words is broken.", path=path)
    return words
