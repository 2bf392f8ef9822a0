"""The learning rate over the budget."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["linear", "cosine", "slanted_triangular", "constant"]
_LEAST = 1 / 32


def share_of_rate(schedule: Schedule, progress: float, warmup_rate: float) -> float:
    """Return the share of the highest learning rate at ``progress`` (0 start, 1 end).

    ``linear`` begins and ends at 0, ``slanted_triangular`` (Howard and Ruder 2018, 3.2) at 1/32;
    ``constant`` stays where it is after the warm-up. ``cosine`` (Loshchilov and Hutter 2017, 3)
    also begins and ends at 0; after warm-up it falls like half a wave, slowly at first and at
    last (Radford et al. 2018, 4.1).
    """
    if schedule == "constant":
        return min(1.0, progress / warmup_rate) if warmup_rate else 1.0
    share = warmup_then_decay(progress, warmup_rate)
    if schedule == "slanted_triangular":
        return _LEAST + (1 - _LEAST) * share
    is_falling = schedule == "cosine" and progress >= warmup_rate
    return (1 - math.cos(math.pi * share)) / 2 if is_falling else share


def warmup_then_decay(progress: float, warmup_rate: float) -> float:
    """Return the share of the highest learning rate at ``progress`` (0 start, 1 end).

    It rises evenly to 1 over ``warmup_rate`` of the budget, then falls evenly to 0.
    """
    if progress < warmup_rate:
        return progress / warmup_rate
    return max(0.0, (1.0 - progress) / max(1.0 - warmup_rate, 1e-9))
