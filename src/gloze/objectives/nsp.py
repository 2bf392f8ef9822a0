"""Next sentence: did B follow A in the text? (Devlin et al. 2019, 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from gloze.core.batch import Batch, Samples
from gloze.core.contracts import BertEncoder, Mark, Objective
from gloze.core.errors import ConfigError
from gloze.core.settings import Settings
from gloze.nn.init import initialize

if TYPE_CHECKING:
    from gloze.data.shards import Shards
    from gloze.tokenizers.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class NextSentenceConfig(Settings):
    """Settings of the next-sentence objective.

    Attributes:
        weight: of this loss in the sum of objectives.
    """

    weight: float = 1.0

    def build(
        self,
        encoder: BertEncoder,
        tokenizer: Tokenizer,
        initializer_range: float = 0.02,
        train: Shards | None = None,
    ) -> Objective:
        """Return the objective with a head of random weights."""
        head = NextSentence(encoder, initializer_range)
        return Objective("nsp", self.weight, keep_pair_labels, head)


def keep_pair_labels(samples: Samples) -> Samples:
    """Check that the sampler made pairs: it alone knows which B came from elsewhere.

    Raises:
        ConfigError: if the samples are no pairs.
    """
    if "nsp" not in samples.labels:
        raise ConfigError(
            "The nsp objective asks whether B follows A, and this sampler makes no pairs. "
            "Set sampler.kind to segment_pair, or remove objectives.nsp."
        )
    return samples


class NextSentence(nn.Module):
    """The pooled [CLS], then two scores: 0 B follows A, 1 B is from elsewhere."""

    def __init__(self, encoder: BertEncoder, initializer_range: float = 0.02) -> None:
        super().__init__()
        # Not registered here: the pooler belongs to the encoder and is saved with it.
        self._pooler = (encoder.pooler,)
        self.output = nn.Linear(encoder.output_size, 2)
        initialize(self.output, initializer_range)

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the summed loss and the number of right guesses."""
        labels = batch.labels["nsp"]
        scores = self.scores(hidden_states, batch)
        loss = F.cross_entropy(scores.float(), labels, reduction="sum")
        return Mark(loss, (scores.detach().argmax(-1) == labels).sum())

    def scores(self, hidden_states: list[Tensor], batch: Batch) -> Tensor:
        """Return [sequences, 2] scores: B follows A, B is from elsewhere."""
        result: Tensor = self.output(self._pooler[0](hidden_states[-1], batch))
        return result
