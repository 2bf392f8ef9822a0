"""Dropout whose random numbers are cheap on a CPU."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

_STEPS = 1 << 16


def dropout(x: Tensor, rate: float) -> Tensor:
    """Zero each number with probability ``rate`` and scale up the rest (Srivastava et al. 2014).

    PyTorch's own draws cost a CPU more than the products around them, so there the bits come
    from SFC64, seeded by PyTorch's generator: ``torch.manual_seed`` decides, as ever. The rate
    is then a multiple of 1/65536.
    """
    if rate == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, rate)
    seed = int(torch.randint(1 << 62, ()))
    bits = np.random.Generator(np.random.SFC64(seed)).integers(
        _STEPS, size=tuple(x.shape), dtype=np.uint16
    )
    kept = torch.from_numpy(bits >= np.uint16(round(rate * _STEPS)))
    return x * kept.to(x.dtype).mul_(1 / (1 - rate))


class Dropout(nn.Module):
    """Dropout while training, nothing otherwise."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with some numbers zeroed."""
        return dropout(x, self.rate if self.training else 0.0)
