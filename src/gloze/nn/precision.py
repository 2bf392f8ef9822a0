"""The precision of what stays between products."""

from __future__ import annotations

import torch
from torch import Tensor


def as_products(x: Tensor) -> Tensor:
    """Return ``x`` in the precision that autocast gives to products; as it is without autocast.

    What a layer gives to the next, and adds its changes to, would otherwise be kept in float32:
    twice the memory, and the next product converts it all the same. The price is one more
    rounding a sum; norms still add up in float32.
    """
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x
