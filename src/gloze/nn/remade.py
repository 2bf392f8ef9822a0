"""What is cheap to make is made again for the gradient instead of kept."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

_whole = threading.local()


def call_remade(module: nn.Module, *inputs: Any) -> Tensor:
    """Return ``module(*inputs)``, of which nothing but the inputs is kept for the gradient.

    The rest is computed again in the backward pass, with the same random numbers (Chen et al.
    2016).
    """
    output: Tensor = checkpoint(
        module, *inputs, use_reentrant=False, context_fn=lambda: (_as_a_whole(), _as_a_whole())
    )
    return output


@contextmanager
def _as_a_whole() -> Iterator[None]:
    """Let what is computed here be kept, or not, all together."""
    outside = getattr(_whole, "is_open", False)
    _whole.is_open = True
    try:
        yield
    finally:
        _whole.is_open = outside


def use_remade(make: Callable[[], Tensor], use: Callable[[Tensor], Tensor]) -> Tensor:
    """Return ``use(make())``; what was made is not kept for the gradient of ``use``.

    Args:
        make: called once more in the backward pass: must give the same numbers, from tensors
            that are kept anyway.
        use: what is done with them.
    """
    made = make()
    # A compiler decides by itself what to make again; what is all made again needs no parts of it.
    is_whole = torch.compiler.is_compiling() or getattr(_whole, "is_open", False)
    if is_whole or not torch.is_grad_enabled():
        return use(made)
    # No reference to the tensor itself: it would be kept by the very hooks.
    place, shape = made.data_ptr(), made.shape

    def pack(saved: Tensor) -> tuple[Tensor, int] | None:
        is_made = saved.data_ptr() == place and saved.shape == shape
        return None if is_made else (saved, saved._version)

    def unpack(packed: tuple[Tensor, int] | None) -> Tensor:
        if packed is None:
            return make()
        saved, version = packed
        # Autograd, which looks for this by itself, does not where there are hooks.
        if saved._version != version:
            raise RuntimeError("a tensor that the gradient needs was changed in place")
        return saved

    with saved_tensors_hooks(pack, unpack):
        return use(made)
