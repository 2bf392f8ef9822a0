"""Word vectors as the encoder of a task, and back into a folder with what the task learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gloze.checkpoint.find import CONFIG
from gloze.checkpoint.loaded import AnyParts, Loaded
from gloze.core.errors import DataError
from gloze.core.files import read_json
from gloze.core.manifest import verify_manifest
from gloze.core.progress import say
from gloze.core.tensor_file import map_arrays
from gloze.encoders.lookup import NUM_SPECIAL, LookupConfig, LookupEncoder
from gloze.interop.vector_tables import load_word_vectors
from gloze.tokenizers import SpecialTokens
from gloze.tokenizers.table_words import TableTokenizer
from gloze.vectors.folder import ARRAYS, is_vectors, write_vectors
from gloze.vectors.table import WordVectors
from gloze.vectors.words import Words

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from torch import Tensor

_SPECIAL, _HEADS = "special", "heads."
_TABLE = "encoder.word_embeddings.weight"
_ROWS = "encoder.special_embeddings.weight"


def read_static(found: Path) -> AnyParts:
    """Return word vectors as an encoder; a table of ours is mapped, and never written to.

    Args:
        found: a folder of ours, with or without the head of a task, or a file of others.

    Raises:
        DataError: if a file is missing, broken, or does not fit the others.
    """
    if (found / "manifest.json").exists():
        verify_manifest(found)
    vectors = _without_special(load_word_vectors(found))
    config: dict[str, Any] = {}
    arrays: dict[str, npt.NDArray[Any]] = {}
    if is_vectors(found):
        config, arrays = read_json(found / CONFIG), map_arrays(found / ARRAYS)
    tensors = {
        name: torch.from_numpy(np.array(array))
        for name, array in arrays.items()
        if name == _SPECIAL or name.startswith(_HEADS)
    }
    special = tensors.pop(_SPECIAL, None)
    if special is not None and special.shape != (NUM_SPECIAL, vectors.size):
        raise DataError(
            f"{_SPECIAL} is {tuple(special.shape)}, expected {(NUM_SPECIAL, vectors.size)}.",
            path=found / ARRAYS,
        )
    sizes = LookupConfig(hidden_size=vectors.size)
    encoder = LookupEncoder(sizes, _as_tensor(vectors.vectors), special)
    tokenizer = TableTokenizer(list(vectors.words), vectors.cut)
    return Loaded(encoder, tokenizer, tensors, config, [], vectors)


def write_static(
    folder: Path,
    weights: dict[str, Tensor],
    vectors: WordVectors,
    config: dict[str, Any],
    card: str,
) -> None:
    """Write a folder of word vectors that holds a task's head as well.

    Args:
        folder: an empty one.
        weights: of encoder and heads, under our names.
        vectors: what the table began as: its words, counts and weights of words are kept.
        config: what ``config.json`` is to hold of the task.
        card: text of ``README.md``.
    """
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in weights.items()}
    table, special = arrays.pop(_TABLE), arrays.pop(_ROWS)
    tuned = WordVectors(
        vectors.words, table, counts=vectors.counts, idf=vectors.idf, cut=vectors.cut
    )
    settings = {**config, "architectures": [LookupEncoder.__name__]}
    write_vectors(folder, tuned, card=card, settings=settings, more={**arrays, _SPECIAL: special})


def _as_tensor(vectors: npt.NDArray[np.float32]) -> Tensor:
    """Return a table as a tensor in the same memory.

    A file is mapped anew so that what is changed stays in this process's memory alone.
    """
    if isinstance(vectors, np.memmap) and vectors.filename is not None:
        vectors = np.memmap(
            vectors.filename, np.float32, mode="c", offset=vectors.offset, shape=vectors.shape
        )
    return torch.from_numpy(vectors if vectors.flags.writeable else np.array(vectors))


def _without_special(vectors: WordVectors) -> WordVectors:
    """Return the vectors without words that are written like a special token."""
    rows = [row for token in SpecialTokens().all if (row := vectors.words.row(token)) >= 0]
    if not rows:
        return vectors
    say(f"{len(rows)} words written like special tokens are left out.")
    kept = np.delete(np.arange(len(vectors)), rows)
    counts, idf = (None if x is None else x[kept] for x in (vectors.counts, vectors.idf))
    words = [vectors.words[row] for row in kept.tolist()]
    numbers = np.array(vectors.vectors[kept], np.float32)
    return WordVectors(Words.of(words), numbers, counts=counts, idf=idf, cut=vectors.cut)
