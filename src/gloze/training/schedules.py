"""The learning rate over the budget."""

from __future__ import annotations

from typing import Literal

Schedule = Literal["linear", "slanted_triangular", "constant"]
_LEAST = 1 / 32


def share_of_rate(schedule: Schedule, progress: float, warmup_rate: float) -> float:
    """Return the share of the highest learning rate at ``progress`` (0 start, 1 end).

    ``linear`` begins and ends at 0, ``slanted_triangular`` (Howard and Ruder 2018, 3.2) at 1/32;
    ``constant`` stays where it is after the warm-up.
    """
    if schedule == "constant":
        return min(1.0, progress / warmup_rate) if warmup_rate else 1.0
    share = warmup_then_decay(progress, warmup_rate)
    return share if schedule == "linear" else _LEAST + (1 - _LEAST) * share


def warmup_then_decay(progress: float, warmup_rate: float) -> float:
    """Return the share of the highest learning rate at ``progress`` (0 start, 1 end).

    It rises evenly to 1 over ``warmup_rate`` of the budget, then falls evenly to 0.
    """
    if progress < warmup_rate:
        return progress / warmup_rate
    return max(0.0, (1.0 - progress) / max(1.0 - warmup_rate, 1e-9))
