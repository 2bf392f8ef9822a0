"""Layers for inference on a CPU: weights laid out as its kernels read them, steps joined.

A product rearranges the weights each time before it uses them; for a single short text that takes
as long as the product itself. PyTorch's compiler does this with its own operators, which also take
in what follows a product; where they are missing, or do not give the same numbers, layers stay as
they are.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gloze.nn.attention import Mixing
from gloze.nn.cache import LayerCache
from gloze.nn.layout import Layout
from gloze.nn.transformer_layer import Gelu, TransformerLayer

if TYPE_CHECKING:
    from collections.abc import Callable


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

    def gelu(
        self, x: Float[Tensor, "rows inputs"], approximate: Gelu
    ) -> Float[Tensor, "rows outputs"]:
        """Return GELU of what the layer returns."""
        y: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._packed, self._bias, "gelu", [], approximate
        )
        return y

    def add(
        self, x: Float[Tensor, "rows inputs"], other: Float[Tensor, "rows outputs"]
    ) -> Float[Tensor, "rows outputs"]:
        """Return the sum of ``other`` and what the layer returns."""
        y: Tensor = torch.ops.mkldnn._linear_pointwise.binary(
            x, other, self._packed, self._bias, "add"
        )
        return y


def product_with(weight: Float[Tensor, "outputs inputs"]) -> Callable[[Tensor], Tensor]:
    """Return the product of rows with the transposed weights, which are used many times."""
    if weight.device.type == "cpu" and can_pack(weight.dtype):
        packed = torch.ops.mkldnn._reorder_linear_weight(weight)
        return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
    transposed = weight.t()
    return lambda x: x @ transposed


class PackedLayer(nn.Module):
    """A :class:`TransformerLayer` of packed parts, without dropout.

    For a single short text calling modules takes as long as a product, so it calls functions.
    """

    def __init__(self, layer: TransformerLayer) -> None:
        super().__init__()
        attention = layer.attention
        self._mixing, self._gelu = Mixing(0.0).forward, layer.gelu
        self._norms_before = layer.norm_position == "before"
        self._heads = (3, attention.num_attention_heads, attention.head_size)
        dense = (attention.query_key_value, attention.output, layer.intermediate, layer.output)
        self._dense = [PackedLinear(linear) for linear in dense]
        self._norms = [
            (norm.normalized_shape, norm.weight.detach(), norm.bias.detach(), norm.eps)
            for norm in (layer.attention_norm, layer.output_norm)
        ]

    def forward(
        self,
        hidden: Float[Tensor, "rows hidden"],
        layout: Layout,
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "rows hidden"]:
        """Return the hidden states one layer up."""
        query_key_value, output, up, down = self._dense
        of_attention, of_net = self._norms
        seen = F.layer_norm(hidden, *of_attention) if self._norms_before else hidden
        joined = query_key_value.forward(seen).view(-1, *self._heads)
        hidden = output.add(self._mixing(joined, layout, cache), hidden)
        if self._norms_before:
            seen = F.layer_norm(hidden, *of_net)
            return down.add(up.gelu(seen, self._gelu), hidden)
        hidden = F.layer_norm(hidden, *of_attention)
        return F.layer_norm(down.add(up.gelu(hidden, self._gelu), hidden), *of_net)


def pack(module: nn.Module) -> None:
    """Replace the layers, and every other dense layer with a bias, below a module on the CPU."""
    for name, part in list(module.named_children()):
        packed = {TransformerLayer: PackedLayer, nn.Linear: PackedLinear}.get(type(part))
        if packed is None:
            pack(part)
        elif all(has_bias and can_pack(dtype) for has_bias, dtype in _dense(part)):
            setattr(module, name, packed(part))


def _dense(module: nn.Module) -> list[tuple[bool, torch.dtype]]:
    """Return of each dense layer whether it has a bias, and its type."""
    found = [part for part in module.modules() if isinstance(part, nn.Linear)]
    return [(part.bias is not None, part.weight.dtype) for part in found]


@lru_cache(maxsize=4)
def can_pack(dtype: torch.dtype) -> bool:
    """Try whether packed products are here, and are those of plain ones."""
    draw = torch.Generator().manual_seed(0)
    linear = nn.utils.skip_init(nn.Linear, 96, 64, dtype=dtype)
    sizes = (17, 96), (64, 96), (64,), (17, 64)
    x, weight, bias, other = (torch.randn(size, generator=draw).to(dtype) for size in sizes)
    try:
        with torch.inference_mode():
            linear.weight.copy_(weight / 10)
            linear.bias.copy_(bias)
            packed, plain = PackedLinear(linear), linear(x)
            pairs = [
                (packed(x), plain),
                (packed.gelu(x, "none"), F.gelu(plain)),
                (packed.gelu(x, "tanh"), F.gelu(plain, approximate="tanh")),
                (packed.add(x, other), plain + other),
            ]
    except (AttributeError, RuntimeError):
        return False
    exact = 1e-5 if dtype == torch.float32 else 2e-2
    return all(torch.allclose(y.float(), z.float(), atol=exact, rtol=exact) for y, z in pairs)
