"""How a task uses a pre-trained encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import nn

from gloze.training.learner import Learner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.core.batch import Batch
    from gloze.core.contracts import Mark, Objective

Transfer = Literal["full", "frozen", "none"]


class FrozenLearner(Learner):
    """A learner whose encoder stays as it is: no gradient, no dropout; its heads train."""

    def __init__(self, encoder: nn.Module, objectives: Sequence[Objective]) -> None:
        super().__init__(encoder, objectives)
        self.encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> FrozenLearner:
        """Set the mode of the heads; the encoder stays in evaluation mode."""
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, batch: Batch) -> dict[str, Mark]:
        """Return each objective's mark on this batch."""
        with torch.no_grad():
            hidden_states = self.encoder(batch)
        return {name: head(hidden_states, batch) for name, head in self.heads.items()}


def build_learner(
    encoder: nn.Module, objectives: Sequence[Objective], transfer: Transfer
) -> Learner:
    """Return the learner for a way of transfer.

    ``full`` and ``none`` train every weight; ``frozen`` trains the heads only. ``none``, the
    control, gives the encoder new random weights first, from PyTorch's current seed.
    """
    if transfer == "none":
        reinitialize(encoder)
    return (FrozenLearner if transfer == "frozen" else Learner)(encoder, objectives)


def reinitialize(encoder: nn.Module) -> None:
    """Give every weight of an encoder a new random value, from PyTorch's current seed."""
    own = cast("Any", encoder)
    encoder.load_state_dict(own.config.build(own.vocab_size).state_dict())
