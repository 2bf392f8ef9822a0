"""How a task uses a pre-trained encoder."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import nn

from gloze.core.errors import ConfigError, nearest
from gloze.training.learner import Learner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from gloze.core.batch import Batch
    from gloze.core.contracts import Objective

Transfer = Literal["full", "frozen", "mix", "gradual", "none"]


def is_frozen(transfer: Transfer) -> bool:
    """Return whether the encoder keeps its weights."""
    return transfer in ("frozen", "mix")


class FrozenLearner(Learner):
    """A learner whose encoder stays as it is: no gradient, no dropout; its heads train.

    Attributes:
        layers: whose hidden states batches bring where they bring any.
    """

    layers: Sequence[int] = ()

    def __init__(self, encoder: nn.Module, objectives: Sequence[Objective]) -> None:
        super().__init__(encoder, objectives)
        self.encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> FrozenLearner:
        """Set the mode of the heads; the encoder stays in evaluation mode."""
        super().train(mode)
        self.encoder.eval()
        return self

    def hidden_states(self, batch: Batch) -> list[Tensor]:
        """Return what the heads read, cut off from the encoder's gradients.

        Of a batch that brings some hidden states it is these; others are empty then.
        """
        if batch.states is not None:
            found = [batch.states[:0, 0]] * len(cast("Any", self.encoder).stages)
            for place, layer in enumerate(self.layers):
                found[layer] = batch.states[:, place]
            return found
        with torch.no_grad():
            return super().hidden_states(batch)


def build_learner(
    encoder: nn.Module,
    objectives: Sequence[Objective],
    transfer: Transfer,
    freeze: Sequence[str] = (),
) -> Learner:
    """Return the learner for a way of transfer.

    ``full``, ``gradual`` and ``none`` train every weight; ``frozen`` and ``mix`` the heads only,
    with what these read of the encoder. ``none``, the control, gives the encoder new random
    weights first, from PyTorch's current seed.

    Args:
        encoder: to learn with.
        objectives: what is asked of it.
        transfer: the way.
        freeze: weights that stay as they are: names of parts, or patterns with ``*``.

    Raises:
        ConfigError: if ``freeze`` names no weight, or leaves none to train.
    """
    if transfer == "none":
        reinitialize(encoder)
    learner = (FrozenLearner if is_frozen(transfer) else Learner)(encoder, objectives)
    hold(learner, freeze)
    return learner


def hold(learner: Learner, freeze: Sequence[str]) -> None:
    """Keep some weights as they are.

    Args:
        learner: whose weights.
        freeze: names of parts, or patterns with ``*``.

    Raises:
        ConfigError: if one names no weight, or all together leave none to train.
    """
    weights = dict(learner.named_parameters())
    for pattern in freeze:
        found = [name for name in weights if _is_named(name, pattern)]
        if not found:
            raise ConfigError(
                f"freeze: no weight is called {pattern!r}. {nearest(pattern, weights)}"
            )
        for name in found:
            weights[name].requires_grad_(False)
    if not any(weight.requires_grad for weight in weights.values()):
        raise ConfigError(f"freeze {', '.join(freeze)} leaves no weight to train.")


def _is_named(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")


def reinitialize(encoder: nn.Module) -> None:
    """Give every weight of an encoder a new random value, from PyTorch's current seed."""
    own = cast("Any", encoder)
    fresh = own.config.build(own.vocab_size)
    encoder.load_state_dict(dict(fresh.named_parameters()), strict=False)
