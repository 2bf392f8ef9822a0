"""Settings of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gloze.core.errors import ConfigError
from gloze.core.settings import Settings
from gloze.training.schedules import Schedule


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Settings):
    """Optimizer, schedule, budget, and how often to look and save.

    Attributes:
        steps, tokens, minutes, epochs: budgets; the first to be used up ends training. The
            learning rate follows the one that is furthest. A budget in minutes depends on the
            machine, so only the others give the same bytes each time.
        batch_tokens: most tokens of a step; or
        batch_size: sequences of a step.
        micro_batch_tokens: most tokens computed at once.
        optimizer: ``adamw`` (Loshchilov and Hutter 2019), ``lamb`` for steps of thousands of
            sequences (You et al. 2020), or ``nt_asgd``: plain gradient descent, which averages
            its weights once ``averaging_after`` evaluations were no better than the best (Merity
            et al. 2018, 3); rates are then some tens, and the schedule ``constant``.
        averaging_after: of ``nt_asgd``.
        learning_rate: at its highest, after warm-up.
        layerwise_lr_decay: the encoder's last layer learns at this share of the rate, each part
            under it at this share of the one above (Howard and Ruder 2018, 3.2); 1 for all alike.
        warmup_rate: share of the budget over which the rate rises from 0; then it falls to 0.
        schedule: ``linear`` falls evenly; ``cosine`` like half a wave (Radford et al. 2018, 4.1);
            ``constant`` does not fall; ``slanted_triangular`` begins and ends at 1/32 of the rate
            instead of at 0 (Howard and Ruder 2018, 3.2, where ``warmup_rate`` is 0.1).
        unfreeze_epochs: the encoder begins frozen, and each time as many epochs have passed one
            more part of it trains, the last layer first (Howard and Ruder 2018, 3.3); all of it
            from the start if not set.
        weight_decay: not applied to norms and biases.
        adam_beta1, adam_beta2, adam_epsilon: of the averages that both optimizers keep.
        max_grad_norm: longer gradients are shortened to it.
        precision: ``auto`` computes in bf16 where the hardware is fast at it.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        gradient_checkpointing: keep of every layer its input alone, and compute the rest again
            for the gradient: less memory, a third to a half more time, the same numbers.
        compile: the layers by ``torch.compile``, on CUDA; takes a minute at the start.
        parallel: of several processes (``torchrun``): ``replicated`` keeps the whole model in
            each (DDP), ``sharded`` a part of it (FSDP2).
        timeout_seconds: after which a process that does not answer counts as gone.
        loader_workers: threads that make batches ahead; 0 makes them in turn.
        log_every: steps between log rows.
        evaluations: how many times to evaluate, evenly over the budget; the last at the end.
        evaluation_tokens: most held-out tokens looked at each time.
        patience: evaluations in a row without a better figure after which training ends early; 0
            goes to the end of the budget.
        keep_best: end with the weights of the best evaluation instead of the last ones.
        save_every: steps between checkpoints; 0 for none by steps.
        save_minutes: minutes between checkpoints; 0 for none by time.
        keep_checkpoints: the newest ones kept.
        max_rollbacks: returns to the last checkpoint after divergence before giving up.
        tensorboard: also write TensorBoard events (the ``track`` extra).
    """

    steps: int | None = None
    tokens: int | None = None
    minutes: float | None = None
    epochs: float | None = None
    batch_tokens: int | None = None
    batch_size: int | None = None
    micro_batch_tokens: int = 8192
    optimizer: Literal["adamw", "lamb", "nt_asgd"] = "adamw"
    averaging_after: int = 5
    learning_rate: float = 1e-4
    layerwise_lr_decay: float = 1.0
    warmup_rate: float = 0.01
    schedule: Schedule = "linear"
    unfreeze_epochs: float | None = None
    weight_decay: float = 0.01
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-6
    max_grad_norm: float = 1.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = "auto"
    gradient_checkpointing: bool = False
    compile: bool = False
    parallel: Literal["replicated", "sharded"] = "replicated"
    timeout_seconds: float = 120.0
    loader_workers: int = 1
    log_every: int = 10
    evaluations: int = 10
    evaluation_tokens: int = 1 << 18
    patience: int = 0
    keep_best: bool = False
    save_every: int = 0
    save_minutes: float = 10.0
    keep_checkpoints: int = 2
    max_rollbacks: int = 3
    tensorboard: bool = False

    def __post_init__(self) -> None:
        budgets = [self.steps, self.tokens, self.minutes, self.epochs]
        if all(budget is None for budget in budgets):
            raise ConfigError(
                "No budget: set one of training.steps, training.tokens, training.minutes and "
                "training.epochs."
            )
        if any(budget is not None and budget < 0 for budget in budgets):
            raise ConfigError("A training budget cannot be negative.")
        if (self.batch_tokens is None) == (self.batch_size is None):
            raise ConfigError(
                "Set one of training.batch_tokens and training.batch_size, not both or neither."
            )
        for name in (
            *("batch_tokens", "batch_size", "micro_batch_tokens", "log_every"),
            "evaluation_tokens",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"training.{name} is {value}; it must be at least 1.")
        for name in (
            *("evaluations", "save_every", "save_minutes", "loader_workers", "max_rollbacks"),
            *("weight_decay", "patience"),
        ):
            if (value := getattr(self, name)) < 0:
                raise ConfigError(f"training.{name} is {value}; it must not be negative.")
        if self.compile and self.parallel == "sharded":
            raise ConfigError(
                "training.compile needs layers that are whole: set training.parallel=replicated, "
                "or training.compile=false."
            )
        if self.unfreeze_epochs is not None and not self.unfreeze_epochs > 0:
            raise ConfigError(
                f"training.unfreeze_epochs is {self.unfreeze_epochs}; it must be over 0."
            )
        if self.unfreeze_epochs is not None and self.parallel == "sharded":
            raise ConfigError(
                "training.unfreeze_epochs needs weights that are whole: set "
                "training.parallel=replicated, or leave it out."
            )
        if (self.patience or self.keep_best) and not self.evaluations:
            name = "patience" if self.patience else "keep_best"
            raise ConfigError(f"training.{name} goes by evaluations, and training.evaluations=0.")
        if self.keep_checkpoints < 1:
            raise ConfigError("training.keep_checkpoints must be at least 1: resuming needs one.")
        if not 0 < self.layerwise_lr_decay <= 1:
            share = self.layerwise_lr_decay
            raise ConfigError(
                f"training.layerwise_lr_decay is {share}; it must be over 0 and at most 1."
            )
        if not 0 <= self.warmup_rate <= 1:
            rate = self.warmup_rate
            raise ConfigError(f"training.warmup_rate is {rate}; it must be from 0 to 1.")
        for name in ("learning_rate", "adam_epsilon", "max_grad_norm", "timeout_seconds"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"training.{name} is {getattr(self, name)}; it must be over 0.")
        self._check_optimizer()

    def _check_optimizer(self) -> None:
        for name in ("adam_beta1", "adam_beta2"):
            if not 0 <= (value := getattr(self, name)) < 1:
                raise ConfigError(f"training.{name} is {value}; it must be from 0 to below 1.")
        if self.averaging_after < 1:
            raise ConfigError(
                f"training.averaging_after is {self.averaging_after}; it must be at least 1."
            )
        if self.optimizer == "nt_asgd" and (self.parallel == "sharded" or not self.evaluations):
            raise ConfigError(
                "training.optimizer nt_asgd goes by evaluations and averages whole weights: set "
                "training.evaluations, and training.parallel=replicated."
            )
