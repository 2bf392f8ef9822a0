"""What an ablation would take: ``gloze ablate --dry-run``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gloze.core.progress import duration
from gloze.metrics.table import text_table

_COLUMNS = (
    "arm",
    "trainings",
    "parameters",
    "tokens",
    "FLOPs",
    "pre-training",
    "fine-tuning",
    "GB",
)


@dataclass(frozen=True, kw_only=True)
class ArmPlan:
    """What an arm would take; None where it is not known.

    Attributes:
        name: of the arm.
        trained_as: the arm whose pre-trainings it takes, if another; these are counted there.
        pretrainings, finetunings: how many.
        parameters: of the model.
        tokens, flops: of one pre-training.
        pretrain_seconds, finetune_seconds: of all its pre-trainings, and of all fine-tunings.
        bytes: that it would leave on disk.
    """

    name: str
    trained_as: str | None
    pretrainings: int
    finetunings: int
    parameters: int
    tokens: int | None
    flops: float | None
    pretrain_seconds: float | None
    finetune_seconds: float | None
    bytes: int

    def cells(self) -> list[str]:
        """Return the arm as a row of the table."""
        took = (self.pretrain_seconds, self.finetune_seconds)
        return [
            self.name,
            f"{self.pretrainings} + {self.finetunings}",
            f"{self.parameters:,}",
            "-" if self.tokens is None else f"{self.tokens:,}",
            "-" if self.flops is None else f"{self.flops:.3g}",
            *("-" if seconds is None else duration(seconds) for seconds in took),
            f"{self.bytes / 1e9:.2f}",
        ]


@dataclass(frozen=True, kw_only=True)
class AblationPlan:
    """What an ablation would take, arm by arm.

    Attributes:
        budget: of each pre-training, in words; none if nothing would be pre-trained.
        arms: in their order.
        steps: of each recipe that were timed.
        device: where; empty if none were.
    """

    budget: str | None
    arms: list[ArmPlan]
    steps: int
    device: str

    @property
    def seconds(self) -> float:
        """What is known of the time of all trainings."""
        each = [(arm.pretrain_seconds, arm.finetune_seconds) for arm in self.arms]
        return sum(seconds or 0.0 for pair in each for seconds in pair)

    @property
    def is_whole(self) -> bool:
        """Whether the time of every training is known."""
        return all(
            seconds is not None
            for arm in self.arms
            for count, seconds in (
                (arm.pretrainings, arm.pretrain_seconds),
                (arm.finetunings, arm.finetune_seconds),
            )
            if count
        )

    def __str__(self) -> str:
        trainings = sum(arm.pretrainings + arm.finetunings for arm in self.arms)
        size = sum(arm.bytes for arm in self.arms) / 1e9
        about = "about" if self.is_whole else "at least"
        return "\n".join(
            [
                f"Budget of each pre-training: {self.budget or 'none'}. Nothing was trained.",
                text_table(_COLUMNS, [arm.cells() for arm in self.arms]),
                f"Together {trainings} trainings, {about} {duration(self.seconds)}, and {size:.2f} "
                "GB on disk beside shards.",
                f"Trainings: of models + of tasks. Pre-training: {self.steps} steps of each recipe "
                f"were timed ({self.device or 'none here'}); evaluations are not counted. "
                "Fine-tuning: by the operations of the encoder on these examples, at the rate of "
                "these steps. - is not known beforehand: word vectors, and models that are trained "
                "already.",
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON knows it."""
        return {**asdict(self), "seconds": self.seconds, "is_whole": self.is_whole}
