"""One blank a sequence, filled from all other tokens: CBOW's question asked of a Transformer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from torch import Tensor

from gloze.core.batch import Batch, Ints, Samples
from gloze.core.contracts import BertEncoder, Mark, Objective
from gloze.core.errors import DataError
from gloze.core.ranges import places
from gloze.core.rng import derive, mix, uniform
from gloze.core.settings import Settings
from gloze.nn.pooling import POOLS
from gloze.nn.token_head import TokenHead

if TYPE_CHECKING:
    from gloze.data.shards import Shards
    from gloze.tokenizers.tokenizer import Tokenizer

NAME = "one_blank"
_CHOICE = derive("one blank choice")


@dataclass(frozen=True, kw_only=True)
class OneBlankConfig(Settings):
    """Settings of the blank.

    One token of each sequence is left out: it is no query, no key and no value, and its place is
    skipped, so that no [MASK] has to stand there. The states of all others, pooled, predict it,
    as the words around predict the one between them in CBOW (Mikolov et al. 2013). A sequence is
    read for one answer where masks ask for 15% of its tokens.

    Attributes:
        pooling: of the last layer's states: their ``mean``, or the largest of each number, ``max``.
        weight: of this loss in the sum of objectives.
    """

    pooling: Literal["mean", "max"] = "mean"
    weight: float = 1.0

    def build(
        self,
        encoder: BertEncoder,
        tokenizer: Tokenizer,
        initializer_range: float = 0.02,
        train: Shards | None = None,
    ) -> Objective:
        """Return the objective with a head of random weights.

        Args:
            encoder: whose states the head reads.
            tokenizer: whose tokens are asked about.
            initializer_range: of the head's weights.
            train: not looked at.
        """
        head = OneBlank(self, encoder, initializer_range)
        return Objective(NAME, self.weight, leave_one_out, head)


def leave_one_out(samples: Samples) -> Samples:
    """Take one ordinary token out of each sequence, and ask for it.

    A pure function of the samples and their keys.

    Raises:
        DataError: if a sequence has none.
    """
    sequence = np.repeat(np.arange(len(samples.lengths)), samples.lengths)
    inside = places(samples.lengths)
    score = uniform(mix(samples.keys)[sequence] + inside.astype(np.uint64), _CHOICE)
    # Scores are under 1, so that an ordinary token is always before a special one.
    order = np.lexsort((score + samples.is_special, sequence))
    chosen: Ints = order[np.cumsum(samples.lengths) - samples.lengths]
    if samples.is_special[chosen].any():
        raise DataError("there is a sequence of special tokens alone, which has no blank.")
    kept = np.ones(len(sequence), dtype=bool)
    kept[chosen] = False
    shown = replace(
        samples,
        input_ids=samples.input_ids[kept],
        token_type_ids=samples.token_type_ids[kept],
        is_special=samples.is_special[kept],
        word_starts=samples.word_starts[kept],
        lengths=samples.lengths - 1,
        places=inside[kept],
    )
    return shown.with_labels(NAME, samples.input_ids[chosen])


class OneBlank(TokenHead):
    """One guess a sequence, from its states pooled."""

    def __init__(
        self, config: OneBlankConfig, encoder: BertEncoder, initializer_range: float = 0.02
    ) -> None:
        super().__init__(encoder, initializer_range)
        self.pooling = config.pooling

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the summed loss and the number of right guesses."""
        pooled = POOLS[self.pooling](hidden_states[-1], batch)
        return self.mark(pooled, batch.labels[NAME])
