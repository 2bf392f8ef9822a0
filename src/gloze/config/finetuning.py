"""The typed tree of settings of a fine-tuning."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pydantic

from gloze.core.errors import ConfigError
from gloze.core.settings import Settings, check_rate, refuse_idle
from gloze.nn.readout import ReadoutConfig
from gloze.tasks.choice import Choice
from gloze.tasks.classification import Classification
from gloze.tasks.multilabel import Multilabel
from gloze.tasks.ranking import Ranking
from gloze.tasks.regression import Regression
from gloze.tasks.span import Span
from gloze.tasks.tagging import Tagging
from gloze.training.config import TrainingConfig
from gloze.training.transfer import Transfer, is_frozen

EncoderKind = Literal["transformer", "gpt", "lookup", "lstm"]
# The settings of each task; pydantic tells them apart by their kind.
TaskConfig = Annotated[
    Classification | Regression | Multilabel | Choice | Ranking | Span | Tagging,
    pydantic.Field(discriminator="kind"),
]


def kind_of_encoder(config: Any) -> EncoderKind:
    """Return the kind of an encoder of this configuration, as recipes tell them apart."""
    kind: EncoderKind = config.kind
    is_gpt = kind == "transformer" and config.direction == "left_to_right"
    return "gpt" if is_gpt else kind


@dataclass(frozen=True, kw_only=True)
class EncoderDropout(Settings):
    """Dropout inside the encoder while it learns a task; what is not set is as it was saved.

    Attributes:
        hidden_dropout_prob: after embeddings and in each layer; of LSTMs between layers.
        attention_probs_dropout_prob: on attention weights.
        embedding_dropout_prob: of LSTMs on whole words, as are all that follow.
        input_dropout_prob: on the vectors of tokens.
        output_dropout_prob: on the last states.
        weight_dropout_prob: on the weights from state to state.
    """

    hidden_dropout_prob: float | None = None
    attention_probs_dropout_prob: float | None = None
    embedding_dropout_prob: float | None = None
    input_dropout_prob: float | None = None
    output_dropout_prob: float | None = None
    weight_dropout_prob: float | None = None

    def __post_init__(self) -> None:
        for name, rate in self.rates.items():
            check_rate(f"encoder.{name}", rate)

    @property
    def rates(self) -> dict[str, float]:
        """What is set, by name."""
        return {name: rate for name, rate in vars(self).items() if rate is not None}


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(Settings):
    """A fine-tuning: the task's settings, the way of transfer, the training.

    Attributes:
        transfer: ``full`` trains all weights, ``frozen`` the head alone, ``mix`` the head and
            the shares in which it reads all layers, ``gradual`` one part of the encoder after
            the other, ``none`` the same network from random weights (the control).
        seed: of the first run; head, order, dropout and random weights follow from it.
        encoder: its dropout.
        freeze: weights that stay as they are, by the names of parts (``encoder.embeddings``,
            ``encoder.layers.0``) or patterns with ``*``.
        readout: what the task's head reads of the encoder.
        lm_weight: of the language model's loss beside the task's, which adds up (Radford et al.
            2018, equation 5): each token of the same sequences is predicted as in pre-training.
        feature_cache_gb: memory for what a frozen encoder makes of the examples, so that it is
            computed once and not in every epoch; 0 for none.
        task: which, and its settings.
        training: optimizer, schedule, budget.
    """

    transfer: Transfer = "full"
    seed: int = 0
    encoder: EncoderDropout = field(default_factory=EncoderDropout)
    freeze: tuple[str, ...] = ()
    readout: ReadoutConfig = field(default_factory=ReadoutConfig)
    lm_weight: float = 0.0
    feature_cache_gb: float = 2.0
    task: TaskConfig = field(default_factory=Classification)
    training: TrainingConfig

    def __post_init__(self) -> None:
        if self.feature_cache_gb < 0:
            raise ConfigError(
                f"feature_cache_gb is {self.feature_cache_gb}; it must not be negative."
            )
        if not 0 <= self.lm_weight < math.inf:
            raise ConfigError(f"lm_weight is {self.lm_weight}; it must be at least 0.")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; it must not be negative.")
        everything = "fine-tuning looks at all held-out examples each time."
        refuse_idle("training", self.training, ("evaluation_tokens",), everything)
        if self.is_frozen:
            self._refuse_vain()
        if self.transfer == "mix" and self.readout.combine != "mix":
            raise ConfigError(
                f"readout.combine is {self.readout.combine!r}, and --transfer mix learns in which "
                "shares to read the layers. Leave it at mix, or give --transfer frozen."
            )
        if self.transfer == "gradual" and self.training.unfreeze_epochs is None:
            raise ConfigError(
                "--transfer gradual without training.unfreeze_epochs is --transfer full: give that."
            )

    @property
    def is_frozen(self) -> bool:
        """Whether the encoder keeps its weights."""
        return is_frozen(self.transfer)

    @property
    def is_plain(self) -> bool:
        """Whether the head reads the last layer of an encoder that trains."""
        return self.readout.is_plain and not self.is_frozen

    def _refuse_vain(self) -> None:
        """Refuse settings of an encoder that trains."""
        training = self.training
        for name, is_set in (
            ("freeze", self.freeze),
            ("training.layerwise_lr_decay", training.layerwise_lr_decay != 1),
            ("training.unfreeze_epochs", training.unfreeze_epochs is not None),
            ("training.gradient_checkpointing", training.gradient_checkpointing),
        ):
            if is_set:
                raise ConfigError(f"{name} does nothing here: the whole encoder is frozen.")
        if self.lm_weight:
            raise ConfigError(
                "lm_weight does nothing here: a frozen encoder learns nothing from predicting "
                "tokens. Set it to 0."
            )
        if self.encoder.rates:
            raise ConfigError(
                f"encoder.{next(iter(self.encoder.rates))} does nothing here: a frozen encoder "
                "has no dropout."
            )
