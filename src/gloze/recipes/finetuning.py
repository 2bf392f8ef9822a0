"""Recipes of fine-tuning: how a pre-trained encoder learns a task."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.config.toml import from_dict, override, read_toml, to_dict
from gloze.core.errors import ConfigError
from gloze.core.settings import Settings
from gloze.nn.readout import ReadoutConfig
from gloze.tasks import TASKS
from gloze.tasks.classification import Classification
from gloze.training.config import TrainingConfig
from gloze.training.transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOTES = ("versions",)
# The settings of each task; pydantic tells them apart by their kind.
TaskConfig = Classification


@dataclass(frozen=True, kw_only=True)
class EncoderDropout(Settings):
    """Dropout inside the encoder while it learns a task; what is not set is as it was saved.

    Attributes:
        hidden_dropout_prob: after embeddings and in each layer.
        attention_probs_dropout_prob: on attention weights.
    """

    hidden_dropout_prob: float | None = None
    attention_probs_dropout_prob: float | None = None

    @property
    def rates(self) -> dict[str, float]:
        """What is set, by name."""
        return {name: rate for name, rate in vars(self).items() if rate is not None}


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(Settings):
    """A fine-tuning: the task's settings, the way of transfer, the training.

    Attributes:
        transfer: ``full`` trains all weights, ``frozen`` the head alone, ``none`` the same
            network from random weights (the control).
        seed: of the first run; head, order, dropout and random weights follow from it.
        encoder: its dropout.
        freeze: weights that stay as they are, by the names of parts (``encoder.embeddings``,
            ``encoder.layers.0``) or patterns with ``*``.
        readout: what the task's head reads of the encoder.
        task: which, and its settings.
        training: optimizer, schedule, budget.
    """

    transfer: Transfer = "full"
    seed: int = 0
    encoder: EncoderDropout = field(default_factory=EncoderDropout)
    freeze: tuple[str, ...] = ()
    readout: ReadoutConfig = field(default_factory=ReadoutConfig)
    task: TaskConfig = field(default_factory=Classification)
    training: TrainingConfig

    def __post_init__(self) -> None:
        if self.transfer == "frozen" and self.freeze:
            raise ConfigError("freeze does nothing here: the whole encoder is frozen.")
        if self.transfer == "frozen" and self.training.layerwise_lr_decay != 1:
            raise ConfigError(
                "training.layerwise_lr_decay does nothing here: the whole encoder is frozen."
            )
        if self.transfer == "frozen" and self.encoder.rates:
            raise ConfigError(
                f"encoder.{next(iter(self.encoder.rates))} does nothing here: a frozen encoder "
                "has no dropout."
            )


def finetuning(task: str, transfer: Transfer, hidden_size: int) -> FinetuneConfig:
    """Return the default recipe of a task for an encoder of this size.

    All weights: 3 epochs of 32 sequences (Devlin et al. 2019, A.3). The rate is the paper's
    5e-5 for hidden sizes of 512 and more; small encoders need longer steps, up to 3e-4 for
    hidden sizes under 256 (Turc et al. 2019, section 4). The control has the same settings, so
    that it differs in its weights alone. A head on a frozen encoder starts from nothing and has
    nothing to spoil: 10 epochs at 3e-3.
    """
    rate = 5e-5 if hidden_size >= 512 else 1e-4 if hidden_size >= 256 else 3e-4
    is_frozen = transfer == "frozen"
    settings: Any = TASKS[task]()
    return FinetuneConfig(
        transfer=transfer,
        task=settings,
        training=TrainingConfig(
            epochs=10 if is_frozen else 3,
            batch_size=32,
            learning_rate=3e-3 if is_frozen else rate,
            warmup_rate=0.1,
            weight_decay=0.01,
            evaluations=5 if is_frozen else 3,
        ),
    )


def load_finetuning(
    recipe: str | Path | FinetuneConfig | None,
    changes: Sequence[str] = (),
    *,
    task: str,
    transfer: Transfer | None = None,
    hidden_size: int,
    seed: int | None = None,
) -> FinetuneConfig:
    """Return the default recipe, or one from a TOML file, with ``path=value`` changes applied.

    Args:
        recipe: a TOML file or a FinetuneConfig; the default of task and size if not given.
        changes: each ``path=value``.
        task: what is to be learned; a recipe of another is refused.
        transfer: the way; ``full`` if neither this nor the recipe says.
        hidden_size: of the encoder.
        seed: replaces the recipe's.

    Raises:
        ConfigError: for an unknown setting (the nearest is named), file or value.
    """
    where = ""
    if asked := [change for change in changes if change.partition("=")[0].strip() == "transfer"]:
        way = asked[-1].partition("=")[2].strip()
        raise ConfigError(f"Give --transfer {way} instead of --set: the defaults follow from it.")
    if recipe is None:
        values = to_dict(finetuning(task, transfer or "full", hidden_size))
    elif isinstance(recipe, FinetuneConfig):
        values = to_dict(recipe)
    else:
        where = str(recipe)
        values = {k: v for k, v in read_toml(Path(recipe)).items() if k not in _NOTES}
    kind = values.setdefault("task", {}).setdefault("kind", task)
    if kind != task:
        raise ConfigError(f"{where or 'The recipe'} is of the task {kind!r}, not {task!r}.")
    config = from_dict(FinetuneConfig, override(values, changes, FinetuneConfig), where)
    if transfer is not None and config.transfer != transfer:
        raise ConfigError(
            f"The recipe's transfer is {config.transfer!r} and --transfer is {transfer!r}. "
            "Give it once, by --transfer: the defaults follow from it."
        )
    if seed is None or seed == config.seed:
        return config
    return from_dict(FinetuneConfig, {**to_dict(config), "seed": seed})
