"""Self-attention over sequences laid end to end, on the best kernel of the device."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gloze.nn.cache import LayerCache
from gloze.nn.dropout import Drawn, dropout
from gloze.nn.layout import Layout
from gloze.nn.rectangle import to_rectangle, to_tokens
from gloze.nn.remade import use_remade
from gloze.nn.rows import round_up_rows
from gloze.nn.softmax import softmax

# Tokens up to which the CPU's fused kernel is the slower one in float32, and up to which a single
# text's products in half precision take longer to start than those in float32 to compute.
SHORT, FEW = 128, 64


def attend(
    heads: Float[Tensor, "tokens 3 heads head_size"], layout: Layout, dropout_rate: float
) -> Float[Tensor, "tokens heads head_size"]:
    """Mix the values of each sequence (Vaswani et al. 2017, 3.2.1).

    On CUDA in half precision the variable-length flash kernel (Dao 2024) reads the tokens as they
    lie. Elsewhere the sequences become a rectangle inside this function.

    Args:
        heads: query, key and value of each token and head.
        layout: which tokens are a sequence.
        dropout_rate: of the weights.
    """
    device = heads.device.type
    is_half = heads.dtype in (torch.float16, torch.bfloat16)
    if device == "cuda" and is_half:
        if layout.direction != "right_to_left" and _has_flash(heads.device, heads.dtype):
            return attend_flash(heads, layout, dropout_rate)
        if layout.direction == "bidirectional":
            return attend_jagged(heads, layout, dropout_rate)
    if device == "cpu" and is_half and layout.is_single and layout.max_seqlen <= FEW:
        return attend(heads.float(), layout, dropout_rate).to(heads.dtype)
    query, key, value = to_rectangle(heads, layout).unbind(0)
    # The CPU's fused kernel has no dropout; it takes five times as long in half precision, and up
    # to thirty times where sequences are short.
    if dropout_rate or (device == "cpu" and (is_half or layout.max_seqlen <= SHORT)):
        mixed = _attend_spelled_out(query, key, value, layout, dropout_rate)
    else:
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=layout.mask)
    return to_tokens(mixed, layout)


def attend_cached(
    heads: Float[Tensor, "tokens 3 heads head_size"], layout: Layout, cache: LayerCache
) -> Float[Tensor, "tokens heads head_size"]:
    """Mix the values of each sequence's new tokens and of those before them, and keep the new.

    Args:
        heads: query, key and value of each new token and head.
        layout: which tokens are a sequence, and how much of it was read before.
        cache: of the layer.
    """
    key, value = cache.add(heads, layout).unbind(0)
    if layout.longest_before == 0:
        return attend(heads, layout, 0.0)
    (query,) = to_rectangle(heads[:, :1], layout).unbind(0)
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=layout.mask_after)
    return to_tokens(mixed, layout)


def attend_flash(
    heads: Float[Tensor, "tokens 3 heads head_size"], layout: Layout, dropout_rate: float
) -> Float[Tensor, "tokens heads head_size"]:
    """Give the tokens to the variable-length kernel itself; CUDA only."""
    query, key, value = heads.unbind(1)
    starts, longest = layout.cu_seqlens, layout.max_seqlen
    is_causal = layout.direction == "left_to_right"
    found = torch.ops.aten._flash_attention_forward(
        *(query, key, value, starts, starts, longest, longest, dropout_rate, is_causal, False)
    )
    mixed: Tensor = found[0]
    return mixed


@lru_cache(maxsize=8)
def _has_flash(device: torch.device, dtype: torch.dtype) -> bool:
    """Try whether the kernel is there, and gives what attention in float32 gives."""
    try:
        # The first call may come from inside inference or autocast.
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast(device.type, enabled=False),
        ):
            return all(
                _flash_agrees(device, dtype, way) for way in ("bidirectional", "left_to_right")
            )
    except (RuntimeError, AttributeError, TypeError):
        return False


def _flash_agrees(device: torch.device, dtype: torch.dtype, direction: str) -> bool:
    draw = torch.Generator().manual_seed(0)
    heads = torch.randn(24, 3, 2, 64, generator=draw).to(device, dtype).requires_grad_()
    exact = heads.detach().float().requires_grad_()
    starts = torch.tensor([0, 5, 24], dtype=torch.int32, device=device)
    places = torch.cat([torch.arange(5), torch.arange(19)]).to(device)
    layout = Layout(starts, places, 19, direction)
    pairs = [(attend_flash(heads, layout, 0.0), attend(exact, layout, 0.0))]
    gradients = (
        torch.autograd.grad(x.square().sum(), y)
        for x, y in zip(pairs[0], (heads, exact), strict=True)
    )
    pairs += zip(*gradients, strict=True)
    return all(torch.allclose(x.float(), y, atol=0.05, rtol=0.05) for x, y in pairs)


def attend_jagged(
    heads: Float[Tensor, "tokens 3 heads head_size"], layout: Layout, dropout_rate: float
) -> Float[Tensor, "tokens heads head_size"]:
    """Give the sequences to PyTorch as they lie; on CUDA it takes the variable-length kernel."""

    def jagged(x: Tensor) -> Tensor:
        return torch.nested.nested_tensor_from_jagged(
            x.contiguous(), layout.cu_seqlens, min_seqlen=1, max_seqlen=layout.max_seqlen
        ).transpose(1, 2)

    query, key, value = map(jagged, heads.unbind(1))
    mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout_rate)
    tokens: Tensor = mixed.transpose(1, 2).values()
    return tokens


def _attend_spelled_out(
    query: Float[Tensor, "sequences heads longest head_size"],
    key: Float[Tensor, "sequences heads longest head_size"],
    value: Float[Tensor, "sequences heads longest head_size"],
    layout: Layout,
    dropout_rate: float,
) -> Float[Tensor, "sequences heads longest head_size"]:
    sizes = query.shape[:2]
    query, key, value = (x.flatten(0, 1) for x in (query, key, value))
    bias = layout.bias(sizes[1], query.dtype)
    # Autocast would widen the weights to float32: the softmax adds up in float32 by itself.
    with torch.autocast(query.device.type, enabled=False):
        scores = torch.baddbmm(
            query.new_zeros(1, 1, 1) if bias is None else bias,
            query,
            key.transpose(1, 2),
            beta=0 if bias is None else 1,
            alpha=query.shape[-1] ** -0.5,
        )
        weights = softmax(scores)
        if not dropout_rate or weights.device.type != "cpu":
            return torch.bmm(dropout(weights, dropout_rate), value).unflatten(0, sizes)
        drop = Drawn(weights.shape, dropout_rate)
        mixed = use_remade(lambda: drop(weights), lambda dropped: torch.bmm(dropped, value))
        return mixed.unflatten(0, sizes)


class Mixing(nn.Module):
    """:func:`attend` as a module without weights, to which hooks can listen."""

    # Its kernels are made already, and tokens, unlike rows, are of another number each time.
    compiles = False

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout

    def forward(
        self,
        heads: Float[Tensor, "rows 3 heads head_size"],
        layout: Layout,
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "rows hidden"]:
        """Return each token's mix of values, head after head; zeros in rows past the tokens."""
        own = heads[: layout.num_tokens]
        if cache is None:
            mixed = attend(own, layout, self.dropout if self.training else 0.0)
        else:
            mixed = attend_cached(own, layout, cache)
        return round_up_rows(mixed.flatten(1), len(heads))


class SelfAttention(nn.Module):
    """Multi-head self-attention over sequences laid end to end (Vaswani et al. 2017, 3.2.2).

    ``hidden_size`` must be a multiple of ``num_attention_heads``.
    """

    # How many of the published weights lie in one of ours: optimizers that measure weights ask.
    joined_weights: ClassVar = {"query_key_value": 3}

    def __init__(self, *, hidden_size: int, num_attention_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_attention_heads = num_attention_heads
        self.head_size = hidden_size // num_attention_heads
        # One product instead of three; rows are the query's, the key's, the value's.
        self.query_key_value = nn.Linear(hidden_size, 3 * hidden_size)
        self.mixing = Mixing(dropout)
        self.output = nn.Linear(hidden_size, hidden_size)

    def weights(self) -> Float[Tensor, "3 heads head_size hidden"]:
        """Return the weights of query, key and value by head, as a view."""
        return self.query_key_value.weight.unflatten(0, (3, self.num_attention_heads, -1))

    def biases(self) -> Float[Tensor, "3 heads head_size"]:
        """Return the biases of query, key and value by head, as a view."""
        return self.query_key_value.bias.unflatten(0, (3, self.num_attention_heads, -1))

    def forward(
        self,
        hidden: Float[Tensor, "rows hidden"],
        layout: Layout,
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "rows hidden"]:
        """Return each token's mix of the tokens it may see; rows past the tokens stay apart."""
        joined = self.query_key_value(hidden).unflatten(-1, (3, self.num_attention_heads, -1))
        return self.output(self.mixing(joined, layout, cache))
