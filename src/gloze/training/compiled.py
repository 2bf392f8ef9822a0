"""``torch.compile`` for the layers of a learner, where the device gains by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from gloze.core.devices import pick_device
from gloze.core.progress import say

if TYPE_CHECKING:
    from gloze.training.config import TrainingConfig
    from gloze.training.learner import Learner


# Shapes of a budget of tokens, forward and backward, with gradients and without, and some to spare.
_PARTS, _MOST_COMPILED = 4, 32


def rows_multiple(config: TrainingConfig) -> int | None:
    """Return of how many rows compiled layers see a multiple; None where none are compiled.

    A full micro-batch then has the rows of its budget, and what is left over at the end of a
    step one of few other numbers: each is compiled once, and no kernel has to ask for it.
    """
    if not config.compile or pick_device(config.device).type != "cuda":
        return None
    return -(-config.micro_batch_tokens // _PARTS)


def compile_if_possible(learner: Learner, device: torch.device) -> None:
    """Compile the layers, or say in a line why not and leave them."""
    if reason := _why_not(device):
        say(f"training.compile: {reason} Training goes on without.")
    else:
        compile_layers(learner)


def compile_layers(learner: Learner) -> None:
    """Compile each layer of a list of layers by itself: they share what is compiled.

    Each number of rows is compiled by itself, see :func:`rows_multiple`. A module that says
    ``compiles = False`` is called as it is, between two parts of its layer.
    """
    limits = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, _MOST_COMPILED)
    for module in list(learner.modules()):
        if not isinstance(module, nn.ModuleList):
            continue
        for layer in module:
            for inner in layer.modules():
                if not getattr(inner, "compiles", True):
                    inner.forward = torch.compiler.disable(inner.forward)
            layer.compile(dynamic=False)


def _why_not(device: torch.device) -> str | None:
    if device.type != "cuda":
        return f"it makes nothing faster on {device.type}, only on CUDA."
    try:
        torch.compile(lambda x: (x * x).relu())(torch.ones(64, device=device))
    # A missing compiler, an old driver, a cache that cannot be written: each fails its own way.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        return f"it fails on this machine ({reason or type(error).__name__:.200})."
    return None
