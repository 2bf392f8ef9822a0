"""The embedding tables of an encoder, written to files that any program reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from gloze.core.files import new_folder
from gloze.data.array_file import ArrayFile

if TYPE_CHECKING:
    from pathlib import Path

    from gloze.encoders.transformer import TransformerEncoder
    from gloze.tokenizers import Tokenizer

FILES = ("token.npy", "position.npy", "token_type.npy", "vocabulary.tsv", "token.vec")


def tables_of(encoder: TransformerEncoder) -> dict[str, nn.Embedding]:
    """Return the tables whose rows are added up at the input, by name: three in a BERT."""
    embeddings = encoder.embeddings
    found = {
        "token": embeddings.token_embeddings,
        "position": embeddings.position_embeddings,
        "token_type": embeddings.token_type_embeddings,
    }
    return {name: table for name, table in found.items() if isinstance(table, nn.Embedding)}


def write_tables(
    folder: Path,
    encoder: TransformerEncoder,
    tokenizer: Tokenizer,
    *,
    word2vec: bool = False,
    force: bool = False,
) -> dict[str, tuple[int, int]]:
    """Write the tables as ``.npy`` in float32, and which token each row is; return their shapes.

    Args:
        folder: gets ``token.npy``, ``position.npy``, ``token_type.npy``, as far as the encoder
            has them, and ``vocabulary.tsv`` (id, token; a space inside a token as its escape).
        encoder: whose tables.
        tokenizer: of the encoder.
        word2vec: also ``token.vec``, the token table in word2vec's text format.
        force: replace ``folder`` if it holds such tables.

    Raises:
        ConfigError: if ``folder`` exists.
        WriteError: if the disk is full or the place cannot be written to.
    """
    tables = {
        name: table.weight.detach().float().cpu().numpy()
        for name, table in tables_of(encoder).items()
    }
    tokens = [_escaped(token) for token in tokenizer.tokens(range(tokenizer.vocab_size))]
    with new_folder(folder, force=force, ours=FILES) as temporary:
        for name, table in tables.items():
            file = ArrayFile(temporary / f"{name}.npy", np.dtype(np.float32), table.shape[1:])
            file.add(table)
            file.finish()
        lines = [f"{number}\t{token}\n" for number, token in enumerate(tokens)]
        (temporary / "vocabulary.tsv").write_text("id\ttoken\n" + "".join(lines), encoding="utf-8")
        if word2vec:
            with (temporary / "token.vec").open("w", encoding="utf-8") as text:
                text.write(f"{len(tokens)} {tables['token'].shape[1]}\n")
                for token, row in zip(tokens, tables["token"], strict=False):
                    text.write(f"{token} {' '.join(row.astype(str))}\n")
    return {name: table.shape for name, table in tables.items()}


def _escaped(token: str) -> str:
    return re.sub(r"\s", lambda found: f"\\u{ord(found[0]):04x}", token)
