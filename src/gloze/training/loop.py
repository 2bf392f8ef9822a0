"""The one training loop: it knows no model, no objective and no task by name."""

from __future__ import annotations

import math
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from gloze.core.errors import ConfigError, DivergedError, StoppedError
from gloze.core.progress import say
from gloze.training.budget import Budget
from gloze.training.figures import Made, means
from gloze.training.guard import judge
from gloze.training.interrupt import Interruption
from gloze.training.phases import Phases
from gloze.training.schedules import share_of_rate
from gloze.training.state import TrainingState
from gloze.training.update import Updater

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gloze.core.batch import Step
    from gloze.core.contracts import StepStream
    from gloze.training.config import TrainingConfig
    from gloze.training.learner import Learner
    from gloze.training.log import MetricsLog
    from gloze.training.phases import PhaseStreams
    from gloze.training.store import CheckpointStore


class _WentBackError(Exception):
    """Training is at an earlier checkpoint again; what was under way is void."""


class Trainer:
    """Trains a learner on a stream of steps until the budget is used up.

    Args:
        stream: of steps, or of those of each phase.
        seed: of dropout; data steps carry their own.
        evaluate: returns figures of the held-out data, called evenly over the budget.
        score: of these figures, the higher the better; what early stopping goes by.

    Raises:
        ConfigError: if early stopping is asked for and nothing is held out.
    """

    def __init__(
        self,
        learner: Learner,
        stream: StepStream | PhaseStreams,
        config: TrainingConfig,
        *,
        seed: int,
        log: MetricsLog,
        checkpoints: CheckpointStore,
        evaluate: Callable[[], dict[str, float]] | None = None,
        score: Callable[[dict[str, float]], float] | None = None,
    ) -> None:
        if (config.patience or config.keep_best) and (evaluate is None or score is None):
            name = "patience" if config.patience else "keep_best"
            raise ConfigError(
                f"training.{name} goes by held-out figures, and there are none: hold out some data "
                "(--dev FILE in fine-tuning), or leave it out."
            )
        self.config = config
        self.phases = Phases(stream)
        self.log, self.checkpoints = log, checkpoints
        self.evaluate, self.score = evaluate, score
        self.weights = learner.weights
        self.updater = Updater(learner, config, seed)
        self.state = TrainingState()
        self.budget = Budget(config, self.stream)
        # While a device is at one step the host prepares the next, and judges the one before.
        self._ahead = 0 if self.updater.device.type == "cpu" else 1
        self._unread: deque[Made] = deque()
        self._started_at = self._logged_at = time.monotonic()
        self._seconds, self._saved_seconds, self._exit_code = 0.0, 0.0, 0

    @property
    def stream(self) -> StepStream:
        """The steps of the phase that training is in."""
        return self.phases.streams[self.state.phase]

    def run(self) -> TrainingState:
        """Train to the end of the budget, from the newest checkpoint if there is one.

        Raises:
            StoppedError: after a signal, with everything saved.
            DivergedError: if the loss diverges more often than ``max_rollbacks``.
        """
        self.updater.ranks.meet()
        with Interruption() as interruption, self.log.progress:
            if not self.load():
                self.save()
            self.log.rewind(self.state.step)
            while not self.is_done():
                with suppress(_WentBackError):
                    self._train(interruption)
        self._refuse_broken()
        self.updater.take_averages()
        self.save()
        if self.config.keep_best:
            self._take_best()
        return self.state

    def _train(self, interruption: Interruption) -> None:
        """Make one update after the other until training or its phase is done, or goes back."""
        for data in self.stream.read(self.state.epoch, self.state.number):
            self.step(data)
            self._agree(interruption.exit_code or 0)
            if is_new := self.phases.is_over(self.state, self.progress()):
                self._settle()
                self.phases.go_over(self.state, self.progress())
            self._look_and_save()
            if self._exit_code:
                raise StoppedError(self._stop(), self._exit_code)
            if is_new or self.is_done():
                self._settle()
                return

    def _agree(self, exit_code: int) -> None:
        """Let all processes see one clock, and stop if one of them was asked to."""
        told = self.updater.ranks.gather([self.seconds(), exit_code])
        self._seconds = told[0][0]
        self._exit_code = int(max(code for _, code in told))

    def _refuse_broken(self) -> None:
        """Refuse to end on a step that could not be made: its weights are good for nothing."""
        refused = self.state.refused
        if refused and refused[-1][0] == self.state.step - 1:
            self._diverged(f"Training ended on a loss that is not finite, step {refused[-1][0]}. ")

    def step(self, data: Step) -> None:
        """Make one update, unless its data is excluded."""
        if [data.epoch, data.number] not in self.state.excluded:
            config = self.config
            share = share_of_rate(config.schedule, self.progress(), config.warmup_rate)
            rate = config.learning_rate * share
            self.updater.unfreeze(data.epoch + data.number / self.stream.num_steps(data.epoch))
            found = self.updater.update(data, self.state.step, rate)
            self._unread.append(Made(self.state.step, data, found))
            self.state.step += 1
            self.state.tokens += data.num_tokens
            self.state.add({"tokens": data.num_tokens})
            self._settle(leave=self._ahead)
            self._log_due(rate)
        self.phases.go_past(self.state, data)

    def _settle(self, leave: int = 0) -> None:
        """Judge the updates not looked at yet, all but the newest ``leave``."""
        while len(self._unread) > leave:
            made = self._unread.popleft()
            figures = self.updater.figures(made.found)
            loss = sum(
                weight * figures[f"{name}_loss"] / max(figures[f"{name}_labels"], 1)
                for name, weight in self.weights.items()
            )
            place = [made.data.epoch, made.data.number]
            verdict = judge(self.state, made.step, loss, figures["grad_norm"], place)
            if verdict == "diverged":
                self._go_back(made, loss)
                raise _WentBackError
            if verdict == "refused":
                self.log.refuse(made.step, made.data, figures)
            else:
                self.state.add({**figures, "loss": loss, "steps": 1.0})

    def _log_due(self, rate: float) -> None:
        state = self.state
        if state.step % self.config.log_every == 0 or self.progress() >= 1:
            self._settle()
            now = time.monotonic()
            sums, steps = state.sums, state.sums.get("steps", 0.0)
            row = self.phases.place(self.state)
            row |= {k: sums[k] / steps for k in ("loss",) if steps}
            row |= means(self.weights, sums)
            row |= {"lr": rate} | {k: sums[k] / steps for k in ("grad_norm",) if steps}
            row["tokens_per_second"] = sums["tokens"] / max(now - self._logged_at, 1e-9)
            row["seconds"] = self.seconds()
            self._logged_at = now
            state.sums = {}
            self.log.row(row, self.progress())

    def _look_and_save(self) -> None:
        # The best is saved at once: no checkpoint knows of a best one that is not there.
        is_best = self._look() and self.config.keep_best
        by_steps = self.config.save_every and self.state.step % self.config.save_every == 0
        minutes = (self._seconds - self._saved_seconds) / 60
        by_time = self.config.save_minutes and minutes >= self.config.save_minutes
        if is_best or by_steps or by_time:
            self.save()

    def _look(self) -> bool:
        """Look at the held-out data if it is time; return whether it was never better."""
        due = int(min(self.progress(), 1.0) * self.config.evaluations + 1e-9)
        if self.evaluate is None or due <= self.state.evaluations:
            return False
        self._settle()
        self.state.evaluations = due
        begun_at = time.monotonic()
        with self.updater.averaged():
            figures = self.evaluate()
        if not all(map(math.isfinite, figures.values())):
            self._diverged(f"Held-out figures are not finite at step {self.state.step}. ")
        row = self.phases.place(self.state) | {"split": "valid"}
        self.log.row({**row, **figures, "seconds": self.seconds()}, self.progress())
        # Looking is no training: it must not count in tokens a second.
        self._logged_at += time.monotonic() - begun_at
        is_best = self.score is not None and self.state.is_best(self.score(figures))
        self.updater.consider_averaging(self.state.worse)
        return is_best

    def _take_best(self) -> None:
        """Take the weights of the best evaluation."""
        best = self.state.best_step
        if best not in (0, self.state.step):
            say(f"The weights are those of step {best}, the best of the evaluations.")
            tensors, _ = self.checkpoints.read(self.checkpoints.at(best), self.updater.parts())
            self.updater.load(tensors)

    def _go_back(self, made: Made, loss: float) -> None:
        """Return to the last good checkpoint and leave out the data that led here."""
        bad, data = self.state.suspects, made.data
        excluded = self.state.excluded + bad
        rollbacks = self.state.rollbacks + 1
        sequences = f"{data.indices[:8].tolist()}{' ...' if len(data.indices) > 8 else ''}"
        where = (
            f"Training diverged at step {made.step} (loss {loss:.4g}, epoch {data.epoch}, data "
            f"step {data.number}, sequences {sequences}). "
        )
        latest = self.checkpoints.latest()
        if rollbacks > self.config.max_rollbacks or latest is None:
            self._diverged(where)
        say(f"{where}Going back to {latest} without {len(bad)} data steps.")
        self.load()
        self.state.excluded, self.state.rollbacks = excluded, rollbacks
        self.state.refused, self.state.suspects = [], []
        self.log.rewind(self.state.step)

    def _diverged(self, where: str) -> NoReturn:
        latest = self.checkpoints.latest()
        raise DivergedError(
            f"{where}Last good checkpoint: {latest or 'none'}. Lower "
            "training.learning_rate or raise training.warmup_rate, and look at the batch named."
        )

    def _stop(self) -> str:
        path = self.save()
        return f"Stopped at step {self.state.step}, saved in {path}. Go on with --resume."

    def seconds(self) -> float:
        """Return the seconds spent on this training, over all sittings."""
        return self.state.seconds + time.monotonic() - self._started_at

    def is_done(self) -> bool:
        """Return whether the budget is used up, or patience."""
        patience = self.config.patience
        return self.progress() >= 1 or 0 < patience <= self.state.worse

    def progress(self) -> float:
        """Return the share of the budget used up."""
        return self.budget.progress(self.state, self._seconds)

    def save(self) -> Path:
        """Save everything needed to go on exactly."""
        self._settle()
        now = time.monotonic()
        self.state.seconds, self._started_at = self.seconds(), now
        if self.state.sums:
            self.state.sums["seconds"] = now - self._logged_at
        self._saved_seconds = self._seconds
        tensors, state = self.updater.tensors(), self.state.to_dict()
        spare = self.state.best_step if self.config.keep_best else None
        return self.checkpoints.save(self.state.step, tensors, state, spare=spare)

    def load(self) -> bool:
        """Go on from the newest intact checkpoint; return False if there is none."""
        latest = self.checkpoints.latest()
        if latest is None:
            return False
        self._unread.clear()
        tensors, state = self.checkpoints.read(latest, self.updater.parts())
        self.updater.load(tensors)
        self.state = TrainingState.from_dict(state)
        self._seconds = self._saved_seconds = self.state.seconds
        self._started_at = time.monotonic()
        self._logged_at = self._started_at - self.state.sums.get("seconds", 0.0)
        return True
