"""The phases of a training: streams of steps that take over from one another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gloze.core.progress import say

if TYPE_CHECKING:
    from gloze.core.batch import Step
    from gloze.core.contracts import StepStream
    from gloze.training.state import TrainingState

# Streams, each with the share of the budget that it begins at.
PhaseStreams = Sequence[tuple[float, "StepStream"]]


class Phases:
    """Streams of steps, each from a share of the budget on.

    Args:
        streams: one, or one for each phase with the share of the budget that it takes over at: 0
            for the first, then ascending.
    """

    def __init__(self, streams: StepStream | PhaseStreams) -> None:
        pairs = streams if isinstance(streams, Sequence) else [(0.0, streams)]
        self.starts = [start for start, _ in pairs]
        self.streams = [stream for _, stream in pairs]

    def go_past(self, state: TrainingState, data: Step) -> None:
        """Let ``state`` be at the step after this one of its phase."""
        if data.number + 1 < self.streams[state.phase].num_steps(data.epoch):
            state.epoch, state.number = data.epoch, data.number + 1
        else:
            state.epoch, state.number = data.epoch + 1, 0

    def is_over(self, state: TrainingState, progress: float) -> bool:
        """Return whether a later phase than that of ``state`` is due."""
        return bisect_right(self.starts, progress) - 1 > state.phase

    def go_over(self, state: TrainingState, progress: float) -> None:
        """Let ``state`` be at the beginning of the phase that is due.

        Samples are drawn by the number of their epoch, so epochs are counted on. Other samples
        have other losses: none of them is a leap.
        """
        state.phase = bisect_right(self.starts, progress) - 1
        state.epoch, state.number = state.epoch + (state.number > 0), 0
        state.suspects, state.loss_mean, state.loss_square, state.loss_count = [], 0.0, 0.0, 0
        say(f"Phase {state.phase + 1} of {len(self.streams)} begins after step {state.step}.")

    def place(self, state: TrainingState) -> dict[str, Any]:
        """Return what a row of figures begins with."""
        place: dict[str, Any] = {"step": state.step, "tokens": state.tokens}
        return place | ({"phase": state.phase + 1} if len(self.streams) > 1 else {})
