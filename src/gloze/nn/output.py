"""Hidden states to scores over the vocabulary, and to their loss."""

from __future__ import annotations

from dataclasses import dataclass
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
# Rows whose gradients one product makes, where all are asked: as many bytes a token of the
# vocabulary as they need, and a pass less over the table for each.
_ROWS_OF_PRODUCTS = 1024


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
        learns, dtype = torch.is_grad_enabled(), _dtype_of_products(hidden)
        loss, right = _CrossEntropy.apply(  # type: ignore[no-untyped-call]
            hidden.to(dtype), self._table[0].weight.to(dtype), self.bias, labels, learns
        )
        return loss, right


class VocabularyOutput(nn.Module):
    """Scores over the vocabulary where every position is asked, plus a bias if there is one.

    Args:
        hidden_size: numbers of a hidden state.
        vocab_size: number of tokens.
        tied_to: the table whose rows are the output's too (Press and Wolf 2017); by default the
            output has a table of its own, as in Bengio et al. 2003.
        bias: without one it is zeros that are neither trained nor saved.
    """

    bias: Tensor

    def __init__(
        self,
        hidden_size: int,
        vocab_size: int,
        *,
        tied_to: nn.Embedding | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        # Not registered here where it belongs to the encoder: it is saved once.
        self._tied = tied_to and (tied_to,)
        if tied_to is None:
            self.table = nn.Embedding(vocab_size, hidden_size)
        if bias:
            self.bias = nn.Parameter(torch.zeros(vocab_size))
        else:
            self.register_buffer("bias", torch.zeros(vocab_size), persistent=False)

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
        learns, dtype = torch.is_grad_enabled(), _dtype_of_products(hidden)
        loss, right = _FlatCrossEntropy.apply(  # type: ignore[no-untyped-call]
            hidden.to(dtype), self.weight, self.bias, labels, learns
        )
        return loss, right


def _dtype_of_products(hidden: Tensor) -> torch.dtype:
    """Return the precision that autocast gives to products; without it that of ``hidden``."""
    device = hidden.device.type
    is_on = torch.is_autocast_enabled(device)
    return torch.get_autocast_dtype(device) if is_on else hidden.dtype


@dataclass(frozen=True)
class _Found:
    """What has been found of some labels so far.

    Attributes:
        loss: summed over the labels.
        right: which scored best, [labels].
        bias_gradient: of the loss, [vocab]; zeros if nobody wants it.
        learns: whether gradients are wanted,
        learns_bias: and that of the bias.
    """

    loss: Tensor
    right: Tensor
    bias_gradient: Tensor
    learns: bool
    learns_bias: bool

    @classmethod
    def nothing(cls, bias: Tensor, labels: Tensor, learns: bool, learns_bias: bool) -> _Found:
        right = torch.empty_like(labels, dtype=torch.bool)
        return cls(torch.zeros_like(bias[0]), right, torch.zeros_like(bias), learns, learns_bias)

    def add(
        self, rows: slice, hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor
    ) -> Float[Tensor, "rows vocab"]:
        """Add what is found of some rows, block by block; return the gradients of their scores.

        Those of rows past the labels are zeros; without learning there are none.
        """
        gradients = hidden.new_empty(len(hidden[rows]) if self.learns else 0, len(weight))
        gradients[len(labels[rows]) :] = 0
        for part in _blocks(rows, labels):
            label = labels[part, None]
            scores = _scores(hidden[part], weight, bias)[: len(label)]
            loss, self.right[part], shares = _marked(scores, label)
            self.loss.add_(loss)
            if self.learns:
                shares.scatter_add_(1, label, shares.new_full(label.shape, -1))
                if self.learns_bias:
                    self.bias_gradient.add_(shares.sum(0))
                gradients[part.start - rows.start :][: len(label)] = shares
        return gradients


class _CrossEntropy(torch.autograd.Function):
    """Scores, softmax and loss of one block after the other, and the gradient on the way."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, learns: bool
    ) -> tuple[Tensor, Tensor]:
        found = _Found.nothing(bias, labels, learns, ctx.needs_input_grad[2])
        with torch.autocast(hidden.device.type, enabled=False):
            gradients = found.add(slice(0, len(hidden)), hidden, weight, bias, labels)
        ctx.save_for_backward(gradients, hidden, weight, found.bias_gradient)
        ctx.mark_non_differentiable(found.right)
        return found.loss, found.right

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
    """As above, with the gradients of hidden states and table made on the way too.

    The table comes in its own precision, and so does its gradient: in a large vocabulary it is
    as costly to write down as to compute. It is made of several blocks at once.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, learns: bool
    ) -> tuple[Tensor, Tensor]:
        found = _Found.nothing(bias, labels, learns, ctx.needs_input_grad[2])
        table = weight.to(hidden.dtype)
        hidden_gradient = torch.zeros_like(hidden) if learns else hidden
        weight_gradient = None if len(labels) else torch.zeros_like(weight)
        with torch.autocast(hidden.device.type, enabled=False):
            for rows in _runs(hidden, labels):
                gradients = found.add(rows, hidden, table, bias, labels)
                if learns:
                    torch.mm(gradients, table, out=hidden_gradient[rows])
                    weight_gradient = _with_product(
                        weight_gradient, gradients.t(), hidden[rows], weight.dtype
                    )
        ctx.save_for_backward(hidden_gradient, found.bias_gradient)
        ctx.weight_gradient = weight_gradient
        ctx.mark_non_differentiable(found.right)
        return found.loss, found.right

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, loss: Tensor, _: Any) -> tuple[Tensor | None, ...]:
        hidden_gradient, bias_gradient = ctx.saved_tensors
        weight_gradient, ctx.weight_gradient = ctx.weight_gradient, None
        return (
            hidden_gradient * loss.to(hidden_gradient.dtype),
            # In place: it is as large as the table, and nobody else has it.
            weight_gradient.mul_(loss),
            bias_gradient * loss,
            None,
            None,
        )


def _blocks(rows: slice, labels: Tensor) -> Iterator[slice]:
    """Yield those of some rows that have labels, so many at once as suit the device."""
    at_once = _ROWS_ON_CPU if labels.device.type == "cpu" else _ROWS_ON_GPU
    starts = range(rows.start, min(rows.stop, len(labels)), at_once)
    return (slice(start, min(start + at_once, rows.stop)) for start in starts)


def _runs(hidden: Tensor, labels: Tensor) -> Iterator[slice]:
    """Yield the rows that have labels, as many at once as one product makes gradients of."""
    at_once = _ROWS_OF_PRODUCTS if hidden.device.type == "cpu" else _ROWS_ON_GPU
    starts = range(0, len(labels), at_once)
    return (slice(start, min(start + at_once, len(hidden))) for start in starts)


def _scores(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(hidden, weight).to(bias.dtype, copy=True).add_(bias)


def _marked(scores: Tensor, label: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the summed loss, which labels scored best, and each token's share, [rows, vocab]."""
    right = scores.argmax(-1) == label[:, 0]
    shares = scores.softmax(-1)
    # Of the best the share is never near 0, so its logarithm is exact.
    totals = scores.amax(-1) - shares.amax(-1).log()
    return (totals - scores.gather(1, label)[:, 0]).sum(), right, shares


def _with_product(total: Tensor | None, left: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the sum of a total and a product; the product alone if there is none yet."""
    if total is None:
        return (left @ right).to(dtype)
    if total.dtype == left.dtype:
        return total.addmm_(left, right)
    return total.add_(left @ right)
