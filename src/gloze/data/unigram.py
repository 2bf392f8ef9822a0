"""What knowing only how frequent each token is would give: the mark of a model that is stuck."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from gloze.data.shards import Shards

_AT_ONCE = 1 << 22


def unigram_loss(train: Shards, valid: Shards) -> float | None:
    """Return the loss on ``valid`` of guessing tokens by their counts in ``train``.

    In nats for each token, with one added to every count; None if nothing is held out.
    """
    if not valid.num_tokens:
        return None
    shares = _counts(train) + 1.0
    asked = _counts(valid)
    return float(-(asked * np.log(shares / shares.sum())).sum() / asked.sum())


def _counts(shards: Shards) -> npt.NDArray[np.int64]:
    counts = np.zeros(shards.vocab_size, dtype=np.int64)
    for start in range(0, shards.num_tokens, _AT_ONCE):
        counts += np.bincount(shards.tokens[start : start + _AT_ONCE], minlength=len(counts))
    return counts
