"""Token vectors to one vector for each sequence."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from gloze.core.batch import Batch

# The mean of all tokens' vectors, or the first token's, that of [CLS].
Pooling = Literal["mean", "cls"]


def first_of_sequence(
    hidden: Float[Tensor, "tokens hidden"], batch: Batch
) -> Float[Tensor, "sequences hidden"]:
    """Return the vector of each sequence's first token, [CLS]."""
    return hidden.index_select(0, batch.cu_seqlens[:-1].long())


def mean_of_sequence(
    hidden: Float[Tensor, "tokens hidden"], batch: Batch
) -> Float[Tensor, "sequences hidden"]:
    """Return the mean of each sequence's token vectors, [CLS] and [SEP] counted in."""
    if batch.num_sequences == 1:
        return hidden.float().mean(0, keepdim=True)
    lengths = (batch.cu_seqlens[1:] - batch.cu_seqlens[:-1]).long()
    return torch.segment_reduce(hidden.float(), "mean", lengths=lengths, axis=0)
