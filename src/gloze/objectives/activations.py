"""Penalties on the states of a recurrent language model: how large, and how much they change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from gloze.core.batch import Batch, Samples
from gloze.core.contracts import Encoder, Mark, Objective
from gloze.core.errors import ConfigError
from gloze.core.settings import Settings

if TYPE_CHECKING:
    from gloze.data.shards import Shards
    from gloze.tokenizers.tokenizer import Tokenizer

NAME = "activations"


@dataclass(frozen=True, kw_only=True)
class ActivationsConfig(Settings):
    """Activation regularization and its temporal kind (Merity et al. 2018, 4.6).

    The mean square of the last layer's states, and of their change from a token to the next one
    in its sequence. The paper takes the change before dropout; here both are of the states that
    the output reads, of which dropout takes the same numbers at all tokens of a sequence.

    Attributes:
        size: weight of the states' mean square, the paper's alpha.
        change: weight of that of their change, its beta.
        weight: of both in the sum of objectives.
    """

    size: float = 2.0
    change: float = 1.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        if min(self.size, self.change) < 0 or not self.size + self.change:
            raise ConfigError(
                f"objectives.activations: size {self.size} and change {self.change} must not be "
                "negative, and one of them over 0."
            )

    def build(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        initializer_range: float = 0.02,
        train: Shards | None = None,
    ) -> Objective:
        """Return the objective; it has no weights and looks at the states alone."""
        return Objective(NAME, self.weight, ask_everywhere, Activations(self))


def ask_everywhere(samples: Samples) -> Samples:
    """Name every token, of which there is nothing to say."""
    positions = np.arange(len(samples.input_ids))
    return samples.with_labels(NAME, np.zeros_like(positions), positions)


class Activations(nn.Module):
    """The penalty of each token, summed; its labels are the tokens."""

    def __init__(self, config: ActivationsConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the summed penalty; nothing is right or wrong."""
        states = hidden_states[-1].float()
        change = (states[1:] - states[:-1]).square().mean(1)
        is_first = batch.position_ids[1:] == 0
        total = self.config.size * states.square().mean(1).sum()
        total = total + self.config.change * change.masked_fill(is_first, 0).sum()
        return Mark(total, torch.zeros((), device=total.device))
