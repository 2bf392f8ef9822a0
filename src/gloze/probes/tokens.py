"""The nearest rows of a model's token table: neighbours that know no sentence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gloze.probes.search import cosines, unit_length
from gloze.vectors.search import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.inference.model import Model

_UNUSED = re.compile(r"\[unused\d+\]")


class Neighbor(NamedTuple):
    """A token of the vocabulary, and the cosine of its row with that of the query."""

    token: str
    cosine: float


def token_neighbors(model: Model, pieces: Sequence[str], top: int) -> list[Neighbor]:
    """Return the tokens whose rows are nearest to the mean of some tokens' rows.

    Special tokens, those kept free for later use, and ``pieces`` themselves are left out.
    """
    tokenizer = model.tokenizer
    table = model.encoder.token_embeddings.weight.detach().float().cpu().numpy()
    table = unit_length(table[: tokenizer.vocab_size])
    ids = [number for piece in pieces if (number := tokenizer.token_id(piece)) is not None]
    tokens = tokenizer.tokens(range(tokenizer.vocab_size))
    scores = cosines(table, unit_length(table[ids].mean(axis=0)))
    apart = [number for number, token in enumerate(tokens) if _UNUSED.fullmatch(token)]
    scores[[*ids, *apart, *tokenizer.special_ids]] = -np.inf
    order = nearest(scores, top)
    return [Neighbor(tokens[i], float(scores[i])) for i in order if np.isfinite(scores[i])]
