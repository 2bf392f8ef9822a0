"""Any model for use: an encoder, or word vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gloze.checkpoint.find import find_any, is_static
from gloze.checkpoint.inference import load_encoder
from gloze.interop.vector_tables import load_word_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from gloze.core.devices import Precision
    from gloze.inference.model import Model
    from gloze.vectors.table import WordVectors


def load(
    path: str | Path, *, precision: Precision = "float32", device: str = "cpu"
) -> Model | WordVectors:
    """Load a model for use: an encoder, or static word vectors.

    Both have ``encode``, which gives each text a vector. Of a task that was learned on word
    vectors these are what it made of them.

    Args:
        path: a folder of ours or a run, one in Hugging Face layout or a hub name, an ELMo as
            published, or a file of word2vec or GloVe.
        precision: of an encoder, see :func:`gloze.checkpoint.inference.load`; word vectors are
            float32.
        device: of an encoder: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``, the fastest there is;
            word vectors stay where they are.

    Raises:
        ConfigError: if there is no such folder, file or hub model, or no such device.
        DataError: if a file is missing, broken, or does not fit the others.
    """
    found = find_any(path)
    if is_static(found):
        return load_word_vectors(found)
    return load_encoder(path, precision=precision, device=device)
