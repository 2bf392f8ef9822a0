"""Watching for divergence: numbers that are not finite, and losses far above their mean."""

from __future__ import annotations

import math
from typing import Literal

from gloze.training.state import TrainingState

MOST_REFUSED, AMONG_STEPS = 3, 100
SPIKE_STEPS, SPIKE_SIGMAS = 20, 6.0
_MEMORY, _LEAST = 0.98, 50

Verdict = Literal["fine", "refused", "diverged"]


def judge(
    state: TrainingState, step: int, loss: float, grad_norm: float, place: list[int]
) -> Verdict:
    """Judge a step by its figures, noting it in ``state``.

    ``refused``: loss or gradient is not finite, so the update was not made. ``diverged``: that
    happened more than 3 times in 100 steps, or the loss stayed over its running mean by
    6 standard deviations for 20 steps; ``state.suspects`` then names the data.
    """
    if not (math.isfinite(loss) and math.isfinite(grad_norm)):
        recent = [r for r in state.refused if r[0] > step - AMONG_STEPS]
        state.refused = [*recent, [step, *place]]
        if len(state.refused) > MOST_REFUSED:
            state.suspects = [r[1:] for r in state.refused]
            return "diverged"
        return "refused"
    if _is_spike(state, loss):
        state.suspects.append(place)
        return "diverged" if len(state.suspects) >= SPIKE_STEPS else "fine"
    state.suspects = []
    share = 1 - _MEMORY if state.loss_count else 1.0
    state.loss_mean += share * (loss - state.loss_mean)
    state.loss_square += share * (loss * loss - state.loss_square)
    state.loss_count += 1
    return "fine"


def _is_spike(state: TrainingState, loss: float) -> bool:
    variance = max(state.loss_square - state.loss_mean**2, 0.0)
    # Early losses fall fast and a flat curve has no spread: neither must look like a spike.
    floor = 0.02 * abs(state.loss_mean)
    limit = state.loss_mean + max(SPIKE_SIGMAS * math.sqrt(variance), floor)
    return state.loss_count >= _LEAST and loss > limit
