"""Hidden states to scores over the vocabulary, and to their loss."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# Rows whose scores are worked out at once: enough to keep the products busy, few enough to
# stay in a processor's cache, or to be a small part of a device's memory.
_ROWS_ON_CPU, _ROWS_ON_GPU = 128, 4096


class TokenOutput(nn.Module):
    """Scores over the vocabulary by the token embeddings themselves, plus a bias of their own.

    The table is shared with the input (Press and Wolf 2017); only the bias, one number a
    token, belongs to the output and starts at zero.
    """

    def __init__(self, tied_to: nn.Embedding) -> None:
        super().__init__()
        # Not registered here: the table belongs to the encoder and is saved once.
        self._table = (tied_to,)
        self.bias = nn.Parameter(torch.zeros(tied_to.num_embeddings))

    def forward(self, hidden: Float[Tensor, "asked hidden"]) -> Float[Tensor, "asked vocab"]:
        """Return one score for each entry of the vocabulary."""
        return F.linear(hidden, self._table[0].weight, self.bias)

    def loss(
        self, hidden: Float[Tensor, "rows hidden"], labels: Int[Tensor, " asked"]
    ) -> tuple[Float[Tensor, ""], Bool[Tensor, " asked"]]:
        """Return the summed cross-entropy of the labels, and which of them scored best.

        The same as from the scores of ``forward``, taken a block of rows at a time: what is kept
        for the gradient is one number a score in the precision of the products, not several in
        float32.

        Args:
            hidden: of the asked positions; rows past the labels are passed over.
            labels: the right tokens.
        """
        weight = self._table[0].weight
        device = hidden.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
            hidden, weight = hidden.to(dtype), weight.to(dtype)
        learns = torch.is_grad_enabled()
        loss, right = _CrossEntropy.apply(  # type: ignore[no-untyped-call]
            hidden, weight, self.bias, labels, learns
        )
        return loss, right


class _CrossEntropy(torch.autograd.Function):
    """Scores, softmax and loss of one block after the other, and the gradient on the way."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, learns: bool
    ) -> tuple[Tensor, Tensor]:
        loss = torch.zeros_like(bias[0])
        right = torch.empty_like(labels, dtype=torch.bool)
        gradients = hidden.new_empty(len(hidden) if learns else 0, len(weight))
        gradients[len(labels) :] = 0
        bias_gradient = torch.zeros_like(bias)
        with torch.autocast(hidden.device.type, enabled=False):
            at_once = _ROWS_ON_CPU if hidden.device.type == "cpu" else _ROWS_ON_GPU
            for start in range(0, len(labels), at_once):
                part = slice(start, start + at_once)
                label = labels[part, None]
                products = F.linear(hidden[part], weight)[: len(label)]
                scores = products.to(bias.dtype, copy=True).add_(bias)
                right[part] = scores.argmax(-1) == label[:, 0]
                shares = scores.softmax(-1)
                # Of the best the share is never near 0, so its logarithm is exact.
                totals = scores.amax(-1) - shares.amax(-1).log()
                loss += (totals - scores.gather(1, label)[:, 0]).sum()
                if learns:
                    shares.scatter_add_(1, label, shares.new_full(label.shape, -1))
                    bias_gradient += shares.sum(0)
                    gradients[part][: len(label)] = shares
        ctx.save_for_backward(gradients, hidden, weight, bias_gradient)
        ctx.mark_non_differentiable(right)
        return loss, right

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, loss: Tensor, _: Any) -> tuple[Tensor | None, ...]:
        gradients, hidden, weight, bias_gradient = ctx.saved_tensors
        scale = loss.to(gradients.dtype)
        return (
            (gradients @ weight).mul_(scale),
            (gradients.t() @ hidden).mul_(scale),
            bias_gradient * loss,
            None,
            None,
        )
