"""What is cheap to make is made again for the gradient instead of kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.autograd.graph import saved_tensors_hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def use_remade(make: Callable[[], Tensor], use: Callable[[Tensor], Tensor]) -> Tensor:
    """Return ``use(make())``; what was made is not kept for the gradient of ``use``.

    Args:
        make: called once more in the backward pass: must give the same numbers, from tensors
            that are kept anyway.
        use: what is done with them.
    """
    made = make()
    # A compiler decides by itself what to make again.
    if not torch.is_grad_enabled() or torch.compiler.is_compiling():
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
