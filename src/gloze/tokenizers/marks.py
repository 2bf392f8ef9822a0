"""How the tokens of a vocabulary tell where words begin, and where spaces go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import decoders

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_OTHER_SPACES = ("\u010a", "\u0109", "\u010d")  # ByteLevel's line feed, tab and return


def word_marks(
    model: dict[str, Any], tokens: Sequence[str], special_ids: Sequence[int]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_] | None]:
    """Return, for each id, whether it begins a word, and whether the next token does.

    Args:
        model: the model's part of a ``tokenizer.json``.
        tokens: the vocabulary.
        special_ids: of the tokens that are always words of their own.
    """
    if model.get("type") == "WordLevel":
        return np.ones(len(tokens), bool), None
    prefix, suffix = model.get("continuing_subword_prefix"), model.get("end_of_word_suffix")
    special = np.zeros(len(tokens), bool)
    special[list(special_ids)] = True
    if prefix:
        return np.array([not token.startswith(prefix) for token in tokens]) | special, None
    if suffix:
        return special, np.array([token.endswith(suffix) for token in tokens]) | special
    for space in ("\u0120", "\u2581"):  # as ByteLevel and Metaspace write it
        starts = np.array([token.startswith((space, *_OTHER_SPACES)) for token in tokens])
        if starts.any():
            return starts | special, np.array([t.endswith(_OTHER_SPACES) for t in tokens]) | special
    return np.ones(len(tokens), bool), None


def usual_decoder(definition: dict[str, Any]) -> decoders.Decoder | None:
    """Return what makes text of tokens, for a ``tokenizer.json`` that does not say it.

    None, which puts a space between all of them, where they are words.
    """
    model = definition["model"]
    if prefix := model.get("continuing_subword_prefix"):
        return decoders.WordPiece(prefix=prefix)
    if suffix := model.get("end_of_word_suffix"):
        return decoders.BPEDecoder(suffix=suffix)
    parted = (definition.get("pre_tokenizer") or {}).get("type")
    if parted == "ByteLevel":
        return decoders.ByteLevel()
    return decoders.Metaspace() if parted == "Metaspace" else None
