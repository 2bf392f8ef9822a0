"""The precision of what stays between products."""

from __future__ import annotations

import torch
from torch import Tensor


def as_products(x: Tensor) -> Tensor:
    """Return ``x`` in the precision that autocast gives to products; as it is without autocast.

    Sums and norms would otherwise stay in float32: twice the memory, and the next product
    converts them all the same.
    """
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x
