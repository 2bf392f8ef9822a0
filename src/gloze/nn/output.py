"""Hidden states to scores over the vocabulary, and to their loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        learns = torch.is_grad_enabled()
        return _applied(_CrossEntropy, hidden, self._table[0].weight, self.bias, labels, learns)


class VocabularyOutput(nn.Module):
    """Scores over the vocabulary where every position is asked, plus a bias.

    Args:
        hidden_size: numbers of a hidden state.
        vocab_size: number of tokens.
        tied_to: the table whose rows are the output's too (Press and Wolf 2017); by default the
            output has a table of its own, as in Bengio et al. 2003.
    """

    def __init__(
        self, hidden_size: int, vocab_size: int, *, tied_to: nn.Embedding | None = None
    ) -> None:
        super().__init__()
        # Not registered here where it belongs to the encoder: it is saved once.
        self._tied = tied_to and (tied_to,)
        if tied_to is None:
            self.table = nn.Embedding(vocab_size, hidden_size)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    @property
    def weight(self) -> nn.Parameter:
        """The table, [vocab, hidden]."""
        table = self._tied[0] if self._tied else self.table
        return cast("nn.Parameter", table.weight)

    def forward(self, hidden: Float[Tensor, "asked hidden"]) -> Float[Tensor, "asked vocab"]:
        """Return one score for each entry of the vocabulary."""
        return F.linear(hidden, self.weight, self.bias)

    def loss(
        self, hidden: Float[Tensor, "rows hidden"], labels: Int[Tensor, " asked"]
    ) -> tuple[Float[Tensor, ""], Bool[Tensor, " asked"]]:
        """Return the summed cross-entropy of the labels, and which of them scored best.

        The same as from the scores of ``forward``, taken a block of rows at a time, the gradients
        as well: memory is that of a block's scores and of the gradients, however many rows.

        Args:
            hidden: of the asked positions; rows past the labels are passed over.
            labels: the right tokens.
        """
        learns = torch.is_grad_enabled()
        return _applied(_FlatCrossEntropy, hidden, self.weight, self.bias, labels, learns)


def _applied(
    function: type[torch.autograd.Function], hidden: Tensor, weight: Tensor, *rest: Any
) -> tuple[Tensor, Tensor]:
    """Return loss and right answers, products being of the precision that autocast gives them."""
    device = hidden.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        hidden, weight = hidden.to(dtype), weight.to(dtype)
    loss, right = function.apply(hidden, weight, *rest)
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
            for part in _blocks(hidden, labels):
                label = labels[part, None]
                scores = _scores(hidden[part], weight, bias)[: len(label)]
                block_loss, right[part], shares = _marked(scores, label)
                loss += block_loss
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


class _FlatCrossEntropy(torch.autograd.Function):
    """As above, with the gradients of hidden states and table made block by block too."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, learns: bool
    ) -> tuple[Tensor, Tensor]:
        loss = torch.zeros_like(bias[0])
        right = torch.empty_like(labels, dtype=torch.bool)
        # Sums of many blocks, so of the bias's precision, which is never half.
        sums = [torch.zeros_like(x, dtype=bias.dtype) if learns else x for x in (weight, bias)]
        hidden_gradient = torch.zeros_like(hidden) if learns else hidden
        with torch.autocast(hidden.device.type, enabled=False):
            for part in _blocks(hidden, labels):
                label = labels[part, None]
                scores = _scores(hidden[part], weight, bias)
                block_loss, right[part], shares = _marked(scores[: len(label)], label)
                loss += block_loss
                if learns:
                    # In place of the scores, with all rows of the block: few shapes of products.
                    scores[: len(label)] = shares
                    scores[len(label) :] = 0
                    scores.scatter_add_(1, label, scores.new_full(label.shape, -1))
                    sums[1] += scores.sum(0)
                    products = scores.to(weight.dtype)
                    torch.mm(products, weight, out=hidden_gradient[part])
                    _add_product(sums[0], products.t(), hidden[part])
        ctx.save_for_backward(hidden_gradient, *sums)
        ctx.dtype = weight.dtype
        ctx.mark_non_differentiable(right)
        return loss, right

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, loss: Tensor, _: Any) -> tuple[Tensor | None, ...]:
        hidden_gradient, weight_gradient, bias_gradient = ctx.saved_tensors
        return (
            hidden_gradient * loss.to(hidden_gradient.dtype),
            (weight_gradient * loss).to(ctx.dtype),
            bias_gradient * loss,
            None,
            None,
        )


def _blocks(hidden: Tensor, labels: Tensor) -> Iterator[slice]:
    """Yield the rows that have labels, so many at once as suit the device."""
    at_once = _ROWS_ON_CPU if hidden.device.type == "cpu" else _ROWS_ON_GPU
    return (slice(start, start + at_once) for start in range(0, len(labels), at_once))


def _scores(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(hidden, weight).to(bias.dtype, copy=True).add_(bias)


def _marked(scores: Tensor, label: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the summed loss, which labels scored best, and each token's share, [rows, vocab]."""
    right = scores.argmax(-1) == label[:, 0]
    shares = scores.softmax(-1)
    # Of the best the share is never near 0, so its logarithm is exact.
    totals = scores.amax(-1) - shares.amax(-1).log()
    return (totals - scores.gather(1, label)[:, 0]).sum(), right, shares


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right
