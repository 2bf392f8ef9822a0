"""Dropout that on a CPU draws cheaply, and keeps one bit a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_STEPS = 1 << 16
_WORDS = {
    2: (np.uint16, torch.uint16),
    4: (np.uint32, torch.uint32),
    8: (np.uint64, torch.uint64),
}


def dropout(x: Tensor, rate: float) -> Tensor:
    """Zero each number with probability ``rate`` and scale up the rest (Srivastava et al. 2014).

    PyTorch's own draws cost a CPU more than the products around them, so there they are those of
    :class:`Drawn`.
    """
    if rate == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, rate)
    return Drawn(x.shape, rate)(x)


class Drawn:
    """Which numbers of a tensor on the CPU to drop: drawn once, the same each time it is called.

    The bits come from SFC64, seeded by PyTorch's generator: ``torch.manual_seed`` decides, as
    ever. The rate is then a multiple of 1/65536.

    Args:
        shape: of what is to be dropped from.
        rate: share to drop, over 0 and under 1.
    """

    def __init__(self, shape: torch.Size, rate: float) -> None:
        self.shape, self.rate = shape, rate
        self._kept: npt.NDArray[np.uint8] | None = _draw(shape.numel(), rate)
        self._bits = np.packbits(self._kept)

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x`` with the dropped numbers zeroed and the rest scaled up."""
        result: Tensor = _Drop.apply(x, self)  # type: ignore[no-untyped-call]
        return result

    def factors(self, dtype: torch.dtype) -> Tensor:
        """Return 0 or 1 / (1 - rate) at each place."""
        # Eight times as large as the bits, and at hand for the first call alone.
        kept, self._kept = self._kept, None
        if kept is None:
            kept = np.unpackbits(self._bits, count=self.shape.numel())
        # Put together as bit patterns: PyTorch turns truth values into halves one by one.
        word, same = _WORDS[dtype.itemsize]
        scale: Any = word(torch.tensor(1 / (1 - self.rate), dtype=dtype).view(same).item())
        factors = kept * scale
        return torch.from_numpy(factors).view(dtype).view(self.shape)


def _draw(count: int, rate: float) -> npt.NDArray[np.uint8]:
    """Return for each number 1 if it is kept, else 0."""
    source = np.random.SFC64(int(torch.randint(1 << 62, ())))
    drawn = np.asarray(source.random_raw(-(-count // 4))).view(np.uint16)[:count]
    return (drawn >= np.uint16(round(rate * _STEPS))).view(np.uint8)


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, drawn: Drawn) -> Tensor:
        ctx.drawn = drawn
        return x * drawn.factors(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.drawn.factors(gradient.dtype), None


class Dropout(nn.Module):
    """Dropout while training, nothing otherwise."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with some numbers zeroed."""
        return dropout(x, self.rate if self.training else 0.0)
