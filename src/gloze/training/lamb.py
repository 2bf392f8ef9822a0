"""LAMB: Adam whose steps are as long as the weights are large (You et al. 2020, algorithm 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from gloze.training.distributed import own_part, own_rows, whole_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


class Lamb(torch.optim.Optimizer):
    """Adam's step plus decay, then scaled for each weight to the length of the weight itself.

    ``m`` and ``v`` are Adam's averages with bias correction, ``r = m / (sqrt(v) + eps)``, and a
    weight ``w`` moves by ``lr * |w| / |r + decay * w|`` times ``r + decay * w``. The lengths are
    those of the whole weight, also where processes hold parts of it. Where one of them is zero,
    and for groups that are not ``scaled`` (norms and biases, as in the authors' code), the ratio
    is 1.

    Groups have ``joined``: how many weights lie one under the other in each of their tensors.
    Every one of them has a ratio of its own.

    Like PyTorch's fused optimizers it leaves weights and averages as they are where ``found_inf``
    is a tensor of 1. Nothing here waits for the device.
    """

    found_inf: Tensor | None = None

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0}
        super().__init__(groups, {**defaults, "scaled": True, "joined": 1})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Change all weights that have a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._change(weight, weight.grad, group)

    def _change(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros((), device=weight.device)
            state["exp_avg"] = torch.zeros_like(weight)
            state["exp_avg_sq"] = torch.zeros_like(weight)
        # Of weights that are shared out each process changes its own part.
        own, gradient = own_part(weight), own_part(gradient)
        average, square = own_part(state["exp_avg"]), own_part(state["exp_avg_sq"])
        fine = torch.ones_like(state["step"]) if self.found_inf is None else 1 - self.found_inf
        gradient = torch.where(fine > 0, gradient, 0)
        state["step"] += fine
        beta1, beta2 = group["betas"]
        average.lerp_(gradient, (1 - beta1) * fine)
        square.lerp_(gradient * gradient, (1 - beta2) * fine)
        first, second = (1 - beta ** state["step"] for beta in (beta1, beta2))
        change = (average / first) / ((square / second).sqrt() + group["eps"])
        change += group["weight_decay"] * own
        if group["scaled"]:
            change = _scaled(change, weight, group["joined"])
        own.sub_(torch.where(fine > 0, group["lr"] * change, 0))


def _scaled(change: Tensor, weight: Tensor, joined: int) -> Tensor:
    """Return a change scaled to the length of the weight; of ``joined`` ones each by itself."""
    squares = [x.square().flatten(1).sum(1) for x in (own_part(weight), change)]
    lengths = whole_rows(torch.stack(squares, dim=1), weight)
    lengths = lengths.unflatten(0, (joined, -1)).sum(1).sqrt()
    ratio = torch.where((lengths > 0).all(1), lengths[:, 0] / lengths[:, 1], 1)
    rows = own_rows(ratio.repeat_interleave(len(weight) // joined), weight)
    return change * rows.view(-1, *[1] * (change.ndim - 1))
