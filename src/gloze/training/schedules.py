"""The learning rate over the budget."""

from __future__ import annotations


def warmup_then_decay(progress: float, warmup_rate: float) -> float:
    """Return the share of the highest learning rate at ``progress`` (0 start, 1 end).

    It rises evenly to 1 over ``warmup_rate`` of the budget, then falls evenly to 0.
    """
    if progress < warmup_rate:
        return progress / warmup_rate
    return max(0.0, (1.0 - progress) / max(1.0 - warmup_rate, 1e-9))
