"""Dense layers for inference on a CPU, their weights laid out as its kernels read them.

A product rearranges the weights each time before it uses them; for a single short text that takes
as long as the product itself. PyTorch's compiler does this with its own operators; where they are
missing, or do not give the same numbers, layers stay as they are.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PackedLinear(nn.Module):
    """An ``nn.Linear`` that can only be used, not trained, saved or moved."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        # No parameter: its layout is the kernel's own, and nothing else can read it.
        self._packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self._bias = linear.bias.detach()

    def forward(self, x: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows outputs"]:
        """Return what the layer it was made of returns."""
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, "none", [], "")
        return y


def pack(module: nn.Module) -> None:
    """Replace every dense layer with a bias below a module on the CPU by a packed one."""
    for name, part in list(module.named_children()):
        if not isinstance(part, nn.Linear):
            pack(part)
        elif part.bias is not None and _can_pack(part.weight.dtype):
            setattr(module, name, PackedLinear(part))


@lru_cache(maxsize=4)
def _can_pack(dtype: torch.dtype) -> bool:
    """Try whether packed products are here, and are those of plain ones."""
    draw = torch.Generator().manual_seed(0)
    linear = nn.utils.skip_init(nn.Linear, 96, 64, dtype=dtype)
    x, weight, bias = (torch.randn(sizes, generator=draw) for sizes in ((17, 96), (64, 96), (64,)))
    try:
        with torch.inference_mode():
            linear.weight.copy_(weight / 10)
            linear.bias.copy_(bias)
            expected, found = linear(x.to(dtype)), PackedLinear(linear)(x.to(dtype))
    except (AttributeError, RuntimeError):
        return False
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    return bool(torch.allclose(found.float(), expected.float(), atol=tolerance, rtol=tolerance))
