"""What is trained: an encoder and the heads of its objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from gloze.core.batch import Batch
    from gloze.core.contracts import Objective


class Learner(nn.Module):
    """An encoder with one head for each objective.

    Attributes:
        weights: of each objective in the sum of losses.
    """

    def __init__(self, encoder: nn.Module, objectives: Sequence[Objective]) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict({objective.name: objective.head for objective in objectives})
        self.weights = {objective.name: objective.weight for objective in objectives}

    def depths(self) -> dict[str, int]:
        """Return for each weight how far under the heads it lies: 1 in the encoder's last layer.

        The pooler counts with the heads, at 0.
        """
        stages = reversed(cast("Any", self.encoder).stages)
        found = {p: depth for depth, stage in enumerate(stages, 1) for p in stage.parameters()}
        return {name: found.get(p, 0) for name, p in self.named_parameters()}

    def joined(self) -> dict[str, int]:
        """Return how many weights lie joined in one, by its name, where there are several.

        A module says it of its parts: ``joined_weights = {"query_key_value": 3}``.
        """
        return {
            f"{name}.{part}.weight": count
            for name, module in self.named_modules()
            for part, count in getattr(module, "joined_weights", {}).items()
        }

    def hidden_states(self, batch: Batch) -> list[Tensor]:
        """Return what the heads read."""
        states: list[Tensor] = self.encoder(batch)
        return states

    def forward(self, batch: Batch, *, scores_of: str | None = None) -> dict[str, Any]:
        """Return each objective's mark on this batch, or the scores of one objective's head."""
        states = self.hidden_states(batch)
        if scores_of is not None:
            return {scores_of: cast("Any", self.heads[scores_of]).scores(states, batch)}
        return {name: head(states, batch) for name, head in self.heads.items()}
