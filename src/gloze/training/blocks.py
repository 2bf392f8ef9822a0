"""The loop over blocks of a corpus, for objectives that change their tables themselves."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from gloze.core.errors import ConfigError, DivergedError, StoppedError
from gloze.core.settings import Settings
from gloze.training.interrupt import Interruption

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from gloze.training.log import MetricsLog
    from gloze.training.store import CheckpointStore

Sums = npt.NDArray[np.float64]
LOSS, PREDICTIONS, TOKENS = range(3)


@dataclass(frozen=True, kw_only=True)
class BlockTrainingConfig(Settings):
    """Budget, rates and threads of a training block by block.

    Attributes:
        epochs: times the corpus is gone through, in its order.
        learning_rate: at the beginning; it falls evenly to
        final_learning_rate: at the end.
        threads: of word2vec learn from different blocks at a time and change the same tables. One
            gives the same bytes every time; several do not, for they read what others just
            write. Those of counting, GloVe and an SVD keep apart: any number gives the same bytes.
        deterministic: several threads of word2vec learn on copies of the tables, which are brought
            together after each block: the same number of threads gives the same bytes.
        block_tokens: tokens of a block, at least; of GloVe as many pairs as these have.
        log_every: blocks between log rows.
        save_minutes: minutes between checkpoints; 0 for none but the last.
        keep_checkpoints: the newest ones kept.
    """

    epochs: int = 5
    learning_rate: float = 0.025
    final_learning_rate: float = 1e-4
    threads: int = 1
    deterministic: bool = False
    block_tokens: int = 100_000
    log_every: int = 10
    save_minutes: float = 10.0
    keep_checkpoints: int = 2

    # What other trainings can choose.
    device = "cpu"
    timeout_seconds = 120.0

    def __post_init__(self) -> None:
        for name in ("epochs", "threads", "block_tokens", "log_every", "keep_checkpoints"):
            if getattr(self, name) < 1:
                value = getattr(self, name)
                raise ConfigError(f"training.{name} is {value}; it must be at least 1.")
        for name in ("learning_rate", "final_learning_rate"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"training.{name} is {getattr(self, name)}; it must be over 0.")
        if self.save_minutes < 0:
            raise ConfigError(f"training.save_minutes is {self.save_minutes}; it is negative.")

    def rate(self, share: float) -> float:
        """Return the learning rate after a share of the training."""
        return self.learning_rate + (self.final_learning_rate - self.learning_rate) * share


class BlockLearner(Protocol):
    """What learns from blocks, by number, on several threads at once."""

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return the tables by name, as they lie in memory."""
        ...

    def train(self, epoch: int, block: int, rates: tuple[float, float]) -> Sums:
        """Learn from a block; return summed loss, predictions and tokens, [3]."""
        ...


@dataclass
class BlockState:
    """Where a training stands.

    Attributes:
        step: blocks that were learned from.
        sums: of the epoch so far.
        recent: since the last log row.
        losses: mean loss of each whole epoch.
        tokens: learned from.
        seconds: spent, over all sittings.
    """

    step: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    recent: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    losses: list[float] = field(default_factory=list)
    tokens: int = 0
    seconds: float = 0.0


class BlockTrainer:
    """Trains on every block of every epoch, in order, and can go on from a checkpoint.

    Args:
        learner: to be trained.
        ends: tokens of the corpus up to the end of each block, rising.
        config: of the training.
        log: of its rows.
        checkpoints: where it is saved.
        evaluate: returns held-out figures, at the end of each epoch.
    """

    def __init__(
        self,
        learner: BlockLearner,
        ends: list[int],
        config: BlockTrainingConfig,
        *,
        log: MetricsLog,
        checkpoints: CheckpointStore,
        evaluate: Callable[[], dict[str, float]] | None = None,
    ) -> None:
        self.learner, self.ends, self.config = learner, ends, config
        self.log, self.checkpoints, self.evaluate = log, checkpoints, evaluate
        self.state = BlockState()
        self._logged_at = self._saved_at = self._began_at = time.monotonic()

    def run(self) -> BlockState:
        """Train to the end, from the newest checkpoint if there is one.

        Raises:
            StoppedError: after a signal, with everything saved.
            DivergedError: if a loss is not finite.
        """
        with (
            Interruption() as interruption,
            self.log.progress,
            ThreadPoolExecutor(self.config.threads) as pool,
        ):
            if not self._load():
                self._save()
            self.log.rewind(self.state.step)
            waiting: deque[Future[Sums]] = deque()
            total = len(self.ends) * self.config.epochs
            while self.state.step < total:
                self._send(pool, waiting, total)
                self._take(waiting.popleft().result())
                minutes = (time.monotonic() - self._saved_at) / 60
                is_due = 0 < self.config.save_minutes <= minutes
                at_end = self.state.step % len(self.ends) == 0
                if interruption.exit_code is not None or is_due or at_end:
                    # Tables are whole once nobody changes them.
                    while waiting:
                        self._take(waiting.popleft().result())
                    self._save_if(interruption.exit_code, is_due=is_due)
        self._save()
        return self.state

    def _send(self, pool: ThreadPoolExecutor, waiting: deque[Future[Sums]], total: int) -> None:
        """Keep every thread busy, but within one epoch: its end is looked at on its own."""
        blocks = len(self.ends)
        last = min(total, (self.state.step // blocks + 1) * blocks)
        while len(waiting) <= self.config.threads and self.state.step + len(waiting) < last:
            epoch, block = divmod(self.state.step + len(waiting), blocks)
            waiting.append(pool.submit(self.learner.train, epoch, block, self.rates(epoch, block)))

    def rates(self, epoch: int, block: int) -> tuple[float, float]:
        """Return the learning rates at which a block begins and ends."""
        whole = self.ends[-1]
        before = self.ends[block - 1] if block else 0
        begin, end = (
            self.config.rate((epoch + tokens / whole) / self.config.epochs)
            for tokens in (before, self.ends[block])
        )
        return begin, end

    def _take(self, sums: Sums) -> None:
        state, blocks = self.state, len(self.ends)
        if not np.isfinite(sums).all():
            latest = self.checkpoints.latest()
            raise DivergedError(
                f"Training diverged in block {state.step}: its loss is not finite. Last good "
                f"checkpoint: {latest or 'none'}. Lower training.learning_rate."
            )
        state.step += 1
        state.tokens += int(sums[TOKENS])
        state.sums = (np.array(state.sums) + sums).tolist()
        state.recent = (np.array(state.recent) + sums).tolist()
        is_epoch = state.step % blocks == 0
        if state.step % self.config.log_every == 0 or is_epoch:
            self._log()
        if is_epoch:
            self._end_epoch()

    def _end_epoch(self) -> None:
        state = self.state
        if not state.sums[PREDICTIONS]:
            raise ConfigError(
                "Not one word was predicted in a whole epoch: all sentences have one word that is "
                "known, or sampler.subsample is too small."
            )
        state.losses.append(state.sums[LOSS] / state.sums[PREDICTIONS])
        state.sums = [0.0, 0.0, 0.0]
        figures = {"epoch_loss": state.losses[-1]}
        figures |= self.evaluate() if self.evaluate is not None else {}
        self._row({"split": "valid", "epoch": len(state.losses), **figures})

    def _log(self) -> None:
        now = time.monotonic()
        epoch, block = divmod(self.state.step - 1, len(self.ends))
        loss, predictions, tokens = self.state.recent
        row = {
            "tokens": self.state.tokens,
            "loss": loss / max(predictions, 1),
            "lr": self.rates(epoch, block)[1],
            "tokens_per_second": tokens / max(now - self._logged_at, 1e-9),
        }
        self._logged_at, self.state.recent = now, [0.0, 0.0, 0.0]
        self._row(row)

    def _row(self, values: dict[str, Any]) -> None:
        progress = self.state.step / (len(self.ends) * self.config.epochs)
        self.log.row({"step": self.state.step, **values, "seconds": self.seconds()}, progress)

    def seconds(self) -> float:
        """Return the seconds spent, over all sittings."""
        return self.state.seconds + time.monotonic() - self._began_at

    def _save_if(self, exit_code: int | None, *, is_due: bool) -> None:
        if exit_code is not None or is_due:
            path = self._save()
            if exit_code is not None:
                raise StoppedError(
                    f"Stopped after block {self.state.step}, saved in {path}. Go on with --resume.",
                    exit_code,
                )

    def _save(self) -> Any:
        now = time.monotonic()
        self.state.seconds, self._began_at, self._saved_at = self.seconds(), now, now
        tensors = {k: torch.from_numpy(v) for k, v in self.learner.tensors().items()}
        return self.checkpoints.save(self.state.step, {"tables": tensors}, vars(self.state))

    def _load(self) -> bool:
        latest = self.checkpoints.latest()
        if latest is None:
            return False
        tensors, state = self.checkpoints.read(latest)
        for name, own in self.learner.tensors().items():
            own[...] = tensors["tables"][name].numpy()
        self.state = BlockState(**state)
        self._began_at = self._logged_at = self._saved_at = time.monotonic()
        return True
