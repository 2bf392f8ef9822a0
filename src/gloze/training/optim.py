"""The optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from gloze.training.asgd import AveragedSGD
from gloze.training.lamb import Lamb

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gloze.training.config import TrainingConfig
    from gloze.training.learner import Learner

_AVERAGES = ("exp_avg", "exp_avg_sq")
# All that optimizers keep beside a weight.
_KEPT = ("step", *_AVERAGES, "average")


def build_optimizer(learner: Learner, config: TrainingConfig) -> torch.optim.Optimizer:
    """Return the optimizer over the weights that train; norms and biases do not decay.

    Each group of weights has a ``share`` of the learning rate.
    """
    betas = (config.adam_beta1, config.adam_beta2)
    if config.optimizer == "lamb":
        groups = _groups(learner, config, apart=True)
        return Lamb(groups, lr=config.learning_rate, betas=betas, eps=config.adam_epsilon)
    if config.optimizer == "nt_asgd":
        return AveragedSGD(_groups(learner, config, apart=False), lr=config.learning_rate)
    return torch.optim.AdamW(
        _groups(learner, config, apart=False),
        lr=config.learning_rate,
        betas=betas,
        eps=config.adam_epsilon,
        fused=True,
    )


def _groups(learner: Learner, config: TrainingConfig, *, apart: bool) -> list[dict[str, Any]]:
    """Return groups of weights that are changed alike.

    Args:
        learner: has the weights.
        config: of the training.
        apart: whether norms and biases, and weights that lie joined in one tensor, are groups of
            their own, with ``scaled`` and ``joined`` to say so.
    """
    groups: dict[tuple[float, float, bool, int], list[Tensor]] = {}
    depths, joined = learner.depths(), learner.joined()
    for name, weight in learner.named_parameters():
        if weight.requires_grad:
            share = config.layerwise_lr_decay ** depths[name]
            is_matrix = weight.ndim > 1
            decay = config.weight_decay if is_matrix else 0.0
            kind = (is_matrix, joined.get(name, 1)) if apart else (True, 1)
            groups.setdefault((share, decay, *kind), []).append(weight)
    names = ("share", "weight_decay", *(("scaled", "joined") if apart else ()))
    return [
        {"params": weights, **dict(zip(names, values, strict=False))}
        for values, weights in groups.items()
    ]


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
        own = {key: tensors[f"{name}.{key}"].clone() for key in _KEPT if f"{name}.{key}" in tensors}
        if own:
            step = own["step"]
            own = {key: value.to(parameter.device) for key, value in own.items()}
            own["step"] = step.to(parameter.device)
            optimizer.state[parameter] = own
