"""Self-attention over sequences laid end to end, on the best kernel of the device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gloze.nn.dropout import dropout
from gloze.nn.layout import Layout


def attend(
    query: Float[Tensor, "tokens heads head_size"],
    key: Float[Tensor, "tokens heads head_size"],
    value: Float[Tensor, "tokens heads head_size"],
    layout: Layout,
    dropout_rate: float,
) -> Float[Tensor, "tokens heads head_size"]:
    """Mix the values of each sequence (Vaswani et al. 2017, 3.2.1).

    On CUDA in half precision the variable-length flash kernel reads the tokens as they lie.
    Elsewhere the sequences become a rectangle inside this function, the only place where
    padding exists.
    """
    is_half = query.dtype in (torch.float16, torch.bfloat16)
    if query.device.type == "cuda" and is_half and layout.direction == "bidirectional":
        return attend_jagged(query, key, value, layout, dropout_rate)
    query, key, value = (_to_rectangle(x, layout) for x in (query, key, value))
    if dropout_rate:
        mixed = _attend_with_dropout(query, key, value, layout.mask, dropout_rate)
    else:
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=layout.mask)
    return _to_tokens(mixed, layout)


def attend_jagged(
    query: Float[Tensor, "tokens heads head_size"],
    key: Float[Tensor, "tokens heads head_size"],
    value: Float[Tensor, "tokens heads head_size"],
    layout: Layout,
    dropout_rate: float,
) -> Float[Tensor, "tokens heads head_size"]:
    """Give the sequences to PyTorch as they lie; on CUDA it takes the variable-length kernel."""

    def jagged(x: Tensor) -> Tensor:
        return torch.nested.nested_tensor_from_jagged(
            x, layout.cu_seqlens, min_seqlen=1, max_seqlen=layout.max_seqlen
        ).transpose(1, 2)

    mixed = F.scaled_dot_product_attention(
        jagged(query), jagged(key), jagged(value), dropout_p=dropout_rate
    )
    tokens: Tensor = mixed.transpose(1, 2).values()
    return tokens


def _attend_with_dropout(
    query: Float[Tensor, "sequences heads longest head_size"],
    key: Float[Tensor, "sequences heads longest head_size"],
    value: Float[Tensor, "sequences heads longest head_size"],
    mask: Tensor | None,
    rate: float,
) -> Float[Tensor, "sequences heads longest head_size"]:
    """Spell attention out: the CPU's fused kernel has no dropout."""
    # Autocast would widen the weights to float32: the softmax adds up in float32 by itself.
    with torch.autocast(query.device.type, enabled=False):
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        return dropout(scores.softmax(-1), rate) @ value


def _to_rectangle(
    x: Float[Tensor, "tokens heads head_size"], layout: Layout
) -> Float[Tensor, "sequences heads longest head_size"]:
    size = (layout.num_sequences, layout.max_seqlen)
    if not layout.is_even:
        x = x.new_zeros(size[0] * size[1], *x.shape[1:]).index_copy(0, layout.slots, x)
    return x.unflatten(0, size).transpose(1, 2)


def _to_tokens(
    x: Float[Tensor, "sequences heads longest head_size"], layout: Layout
) -> Float[Tensor, "tokens heads head_size"]:
    x = x.transpose(1, 2).flatten(0, 1)
    return x if layout.is_even else x.index_select(0, layout.slots)


class SelfAttention(nn.Module):
    """Multi-head self-attention over sequences laid end to end (Vaswani et al. 2017, 3.2.2).

    ``hidden_size`` must be a multiple of ``num_attention_heads``.
    """

    def __init__(self, *, hidden_size: int, num_attention_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_attention_heads = num_attention_heads
        self.head_size = hidden_size // num_attention_heads
        self.dropout = dropout
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size)
        self.output = nn.Linear(hidden_size, hidden_size)

    def forward(
        self, hidden: Float[Tensor, "tokens hidden"], layout: Layout
    ) -> Float[Tensor, "tokens hidden"]:
        """Return each token's mix of the tokens it may see."""
        parts = (self.query, self.key, self.value)
        # One product instead of three: the weights are small beside the tokens.
        weight, bias = torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts])
        joined = F.linear(hidden, weight, bias).unflatten(-1, (3, self.num_attention_heads, -1))
        query, key, value = joined.unbind(1)
        mixed = attend(query, key, value, layout, self.dropout if self.training else 0.0)
        return self.output(mixed.flatten(1))
