"""The token table of a trained encoder as a folder of word vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gloze.checkpoint.find import WEIGHTS
from gloze.checkpoint.store import load_tensors
from gloze.data.counts import count_tokens
from gloze.vectors.folder import VECTORS, save_vectors
from gloze.vectors.idf import document_weights_of
from gloze.vectors.learned import learned_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from gloze.data.shards import Shards
    from gloze.tokenizers import Tokenizer

_TABLE = "encoder.embeddings.weight"


def save_token_vectors(model: Path, tokenizer: Tokenizer, train: Shards, *, card: str) -> None:
    """Write the vectors of all words into ``vectors/`` beside a model folder of ours.

    Args:
        model: the folder; vectors beside it are replaced.
        tokenizer: whose tokens they are.
        train: shards in which words and documents are counted.
        card: text of ``README.md``.

    Raises:
        WriteError: if the disk is full or the place cannot be written to.
    """
    table = load_tensors(model / WEIGHTS)[_TABLE]
    counts, idf = count_tokens(train), document_weights_of(train)
    vectors = learned_vectors(tokenizer, counts, table.numpy(), idf=idf)
    save_vectors(model.parent / VECTORS, vectors, card=card, force=True)
