"""Dropout whose random numbers are cheap on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

_STEPS = 1 << 16
_WORDS = {
    2: (np.uint16, torch.uint16),
    4: (np.uint32, torch.uint32),
    8: (np.uint64, torch.uint64),
}


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
    return x * _factors(x.shape, rate, x.dtype)


def _factors(shape: torch.Size, rate: float, dtype: torch.dtype) -> Tensor:
    """Return 0 or 1 / (1 - rate) at each place."""
    count = shape.numel()
    source = np.random.SFC64(int(torch.randint(1 << 62, ())))
    bits = np.asarray(source.random_raw(-(-count // 4))).view(np.uint16)[:count]
    kept = bits >= np.uint16(round(rate * _STEPS))
    # Put together as bit patterns: PyTorch turns truth values into halves one by one.
    word, same = _WORDS[dtype.itemsize]
    scale: Any = word(torch.tensor(1 / (1 - rate), dtype=dtype).view(same).item())
    factors = kept.view(np.uint8) * scale
    return torch.from_numpy(factors).view(dtype).view(shape)


class Dropout(nn.Module):
    """Dropout while training, nothing otherwise."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with some numbers zeroed."""
        return dropout(x, self.rate if self.training else 0.0)
