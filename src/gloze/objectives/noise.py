"""Noise in the place of tokens, by the counts of a corpus (Xie et al. 2017, section 3).

There a token ``x`` of the input becomes noise with chance ``g(x)``, and the noise is drawn from
``q``. With ``c(x, y)`` the count of a pair and ``N(x, .)``, ``N(., x)`` the numbers of different
tokens after and before ``x``:

==================== ======================== ==========
noising              g(x)                     q(y)
==================== ======================== ==========
blank                even                     a blank
unigram              even                     count of y
absolute discounting N(x, .) / sum c(x, y)    count of y
Kneser-Ney           N(x, .) / sum c(x, y)    N(., y)
==================== ======================== ==========

Here the tokens that become noise are those asked about: ``choice`` is ``g``, ``noise`` is ``q``,
and a blank is ``[MASK]``. The paper multiplies ``g`` by one rate for the whole corpus; here as
many tokens of each sequence are chosen as the masked LM's ``rate`` says, one after the other with
chances in proportion to ``g``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from gloze.data.counts import count_neighbors, count_tokens

if TYPE_CHECKING:
    from gloze.data.shards import Shards

Choice = Literal["even", "continuations"]
Noise = Literal["uniform", "unigram", "histories"]
Odds = npt.NDArray[np.float64]


def noise_odds(
    choice: Choice, noise: Noise, train: Shards | None
) -> tuple[Odds | None, Odds | None]:
    """Return ``g`` and ``q`` of each token, not normalized; None where all are alike.

    A token that nothing follows in ``train`` has a ``g`` of 1, as one that is met once.
    """
    if choice == "even" and noise == "uniform":
        return None, None
    assert train is not None, "counts need shards"
    odds: Odds | None = None
    shares: Odds | None = count_tokens(train).astype(np.float64) if noise == "unigram" else None
    if choice == "continuations" or noise == "histories":
        found = count_neighbors(train)
        if choice == "continuations":
            odds = np.where(found.followed, found.continuations / np.maximum(found.followed, 1), 1)
        if noise == "histories":
            shares = found.histories.astype(np.float64)
    return odds, shares
