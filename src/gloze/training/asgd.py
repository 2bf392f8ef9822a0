"""SGD whose weights are averaged once it gets no further (Merity et al. 2018, 3)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor


class AveragedSGD(torch.optim.Optimizer):
    """Plain gradient descent, ``w -= lr * (gradient + decay * w)``.

    From :meth:`begin_averaging` on the mean of the weights after each step is kept beside them
    (Polyak and Juditsky 1992): that is what a training ends with and is judged by.

    Like PyTorch's fused optimizers it leaves all as it is where ``found_inf`` is a tensor of 1.
    """

    found_inf: Tensor | None = None

    def __init__(self, groups: Iterable[dict[str, Any]], *, lr: float) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})

    @property
    def is_averaging(self) -> bool:
        """Whether it has begun to."""
        return bool(self.state)

    @torch.no_grad()
    def begin_averaging(self) -> None:
        """Begin with the weights as they are."""
        for weight in self._weights():
            step = torch.ones((), device=weight.device)
            self.state[weight] = {"step": step, "average": weight.clone()}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Change all weights that have a gradient, and their averages."""
        fine: Any = 1 if self.found_inf is None else 1 - self.found_inf
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                change = weight.grad + group["weight_decay"] * weight
                if self.found_inf is not None:
                    change = torch.where(fine > 0, change, 0)
                weight.sub_(group["lr"] * change)
                if own := self.state.get(weight):
                    own["step"] += fine
                    own["average"].lerp_(weight, fine / own["step"])

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the averages in the place of the weights for a while, where there are some."""
        before = {weight: weight.detach().clone() for weight in self._weights() if self.state}
        self.take_averages()
        try:
            yield
        finally:
            with torch.no_grad():
                for weight, value in before.items():
                    weight.copy_(value)

    @torch.no_grad()
    def take_averages(self) -> None:
        """Put the averages in the place of the weights, where there are some."""
        for weight, own in self.state.items():
            weight.copy_(own["average"])

    def _weights(self) -> Iterator[Tensor]:
        return (weight for group in self.param_groups for weight in group["params"])
