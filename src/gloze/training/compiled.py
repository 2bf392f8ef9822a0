"""``torch.compile`` for the layers of a learner, where the device gains by it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gloze.core.progress import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from gloze.core.batch import Batch
    from gloze.training.learner import Learner


# Numbers of rows between one power of two and the next: at most a fifth of the rows is waste.
_BETWEEN = 4
# Graphs of one piece of code, forward, that may be compiled before it runs as it is.
_MOST_COMPILED = 32


def compile_if_possible(learner: Learner, device: torch.device) -> bool:
    """Compile the layers, or say in a line why not and leave them; return whether they are."""
    if reason := _why_not(device):
        say(f"training.compile: {reason} Training goes on without.")
        return False
    compile_layers(learner)
    return True


def with_static_rows(batch: Batch) -> Batch:
    """Return the batch filled up to one of few numbers of rows, each of which is compiled once.

    The full micro-batches of a training then have one shape, that of their budget if it is a
    power of two; what is left over at the end of a step has one of a few others. A batch that
    names its rows keeps them.
    """
    if batch.rows is not None:
        return batch
    unit = max(1, (1 << (batch.num_tokens - 1).bit_length()) // (2 * _BETWEEN))
    return replace(batch, rows=batch.num_tokens + -batch.num_tokens % unit)


def compile_layers(learner: Learner) -> None:
    """Compile each layer of a list of layers by itself: they share what is compiled.

    Each number of rows is compiled by itself, see :func:`with_static_rows`, and only for
    training: held-out data of all sizes runs through the layers as they are. A module that says
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
            layer.forward = _while_training(layer, layer.forward)


def _while_training(layer: nn.Module, plain: Callable[..., Any]) -> Callable[..., Any]:
    compiled = torch.compile(plain, dynamic=False)

    def forward(*args: Any) -> Any:
        return (compiled if layer.training else plain)(*args)

    return forward


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
