"""The optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gloze.training.config import TrainingConfig
    from gloze.training.learner import Learner

_AVERAGES = ("exp_avg", "exp_avg_sq")


def build_optimizer(learner: Learner, config: TrainingConfig) -> torch.optim.AdamW:
    """Return AdamW over the weights that train; norms and biases do not decay.

    Each group of weights has a ``share`` of the learning rate.
    """
    groups: dict[tuple[float, float], list[Tensor]] = {}
    depths = learner.depths()
    for name, weight in learner.named_parameters():
        if weight.requires_grad:
            share = config.layerwise_lr_decay ** depths[name]
            decay = config.weight_decay if weight.ndim > 1 else 0.0
            groups.setdefault((share, decay), []).append(weight)
    return torch.optim.AdamW(
        [
            {"params": weights, "share": share, "weight_decay": decay}
            for (share, decay), weights in groups.items()
        ],
        lr=config.learning_rate,
        betas=(config.adam_beta1, config.adam_beta2),
        eps=config.adam_epsilon,
        fused=True,
    )


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state as tensors named after the weights they belong to."""
    return {
        f"{name}.{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def empty_optimizer_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return zeros as :func:`optimizer_tensors` returns a state, to be read into."""
    empty = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            empty[f"{name}.step"] = torch.zeros(())
            empty |= {f"{name}.{k}": torch.zeros_like(parameter) for k in _AVERAGES}
    return empty


def load_optimizer_tensors(
    model: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    """Put a state from :func:`optimizer_tensors` back."""
    optimizer.state.clear()
    for name, parameter in model.named_parameters():
        own = {
            key: tensors[f"{name}.{key}"].clone()
            for key in ("step", *_AVERAGES)
            if f"{name}.{key}" in tensors
        }
        if own:
            step = own["step"]
            own = {key: value.to(parameter.device) for key, value in own.items()}
            own["step"] = step.to(parameter.device)
            optimizer.state[parameter] = own
