"""How the tokens of a vocabulary tell where words begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


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
    for mark in ("\u0120", "\u2581"):  # ByteLevel and Metaspace write a space so
        starts = np.array([token.startswith(mark) for token in tokens])
        if starts.any():
            return starts | special, special
    return np.ones(len(tokens), bool), None
