"""How much of a training is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gloze.core.contracts import StepStream
    from gloze.training.config import TrainingConfig
    from gloze.training.state import TrainingState


class Budget:
    """Steps, tokens, minutes, epochs: the furthest one tells the progress."""

    def __init__(self, config: TrainingConfig, stream: StepStream) -> None:
        self.tokens, self.minutes = config.tokens, config.minutes
        self.steps = config.steps
        if config.epochs is not None:
            whole = int(config.epochs)
            steps = sum(stream.num_steps(epoch) for epoch in range(whole))
            if config.epochs > whole:
                steps += round((config.epochs - whole) * stream.num_steps(whole))
            self.steps = steps if self.steps is None else min(steps, self.steps)

    def progress(self, state: TrainingState, seconds: float) -> float:
        """Return the share used up, 1 or more at the end."""
        pairs = [
            (state.step, self.steps),
            (state.tokens, self.tokens),
            (seconds / 60, self.minutes),
        ]
        return max(used / limit if limit else 1.0 for used, limit in pairs if limit is not None)
