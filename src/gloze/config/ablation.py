"""The typed tree of an ablation: arms, their common budget, the tasks they are compared on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gloze.core.errors import ConfigError, nearest
from gloze.core.settings import Settings
from gloze.tasks import TASKS
from gloze.training.transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import Iterable

# Settings that every arm has from the budget.
_BUDGETS = tuple(f"training.{name}" for name in ("steps", "tokens", "minutes", "epochs"))
_ONE_BUDGET = (
    "Give one of --tokens, --minutes and --flops, the same for all (in a file tokens, minutes or "
    "flops under [budget])."
)
_NOT_IN_NAMES = re.compile(r"[^\w.+=,-]+")


@dataclass(frozen=True, kw_only=True)
class BudgetConfig(Settings):
    """What every arm may use up in pre-training; one of them.

    Attributes:
        tokens: of the arm's own tokenizer; word vectors take whole passes over the corpus.
        minutes: of training on this machine. What they suffice for differs from time to time.
        flops: operations of the products, by formula (``config/flops.py``).
    """

    tokens: int | None = None
    minutes: float | None = None
    flops: float | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in vars(self).items() if value is not None}
        if len(given) != 1:
            named = ", ".join(given) or "nothing"
            raise ConfigError(f"The budget of the arms names {named}. {_ONE_BUDGET}")
        [(name, value)] = given.items()
        if not value > 0:
            raise ConfigError(f"budget.{name} is {value}; it must be over 0.")

    def __str__(self) -> str:
        if self.tokens is not None:
            return f"{self.tokens:,} tokens"
        return f"{self.minutes:g} minutes" if self.flops is None else f"{self.flops:.3g} FLOPs"


@dataclass(frozen=True, kw_only=True)
class ArmConfig(Settings):
    """One of the things compared.

    Attributes:
        recipe: a named recipe or a TOML file; or
        model: what is trained already: a folder, a run, a hub name, word vectors.
        label: its name in tables and on disk; by default what makes it up.
        settings: changes to the recipe, each ``path=value``.
        shards: those it is trained on; by default the ones that its tokenizer's kind fits.
        transfer: how tasks use it, in place of what the task says. Of ``none``, the control with
            random weights, nothing is pre-trained.
        finetune_settings: changes to its fine-tunings, each ``path=value``.
    """

    recipe: str | None = None
    model: str | None = None
    label: str | None = None
    settings: tuple[str, ...] = ()
    shards: str | None = None
    transfer: Transfer | None = None
    finetune_settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.recipe is None) == (self.model is None):
            raise ConfigError("An arm is a recipe or a model: give one of them.")
        if self.model is not None and (self.settings or self.shards):
            vain = "--set" if self.settings else "--shards"
            raise ConfigError(f"Arm {self.name}: the model is trained already, and {vain} is not.")
        refuse_budgets(self.settings)

    @property
    def name(self) -> str:
        """What the arm is called."""
        if self.label is not None:
            return self.label
        way = [] if self.transfer is None else [self.transfer]
        return " ".join([str(self.recipe or self.model), *self.settings, *way, *self._finetuned])

    @property
    def _finetuned(self) -> list[str]:
        return [f"({change})" for change in self.finetune_settings]

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return _NOT_IN_NAMES.sub("-", self.name).strip("-.") or "-"


@dataclass(frozen=True, kw_only=True)
class ComparisonTask(Settings):
    """What arms are fine-tuned on and compared by.

    Attributes:
        task: what is learned, such as ``classification``.
        train: labelled examples.
        dev: labelled examples that compare settings and seeds; the arms too if there is no test.
        test: labelled examples that compare the arms.
        format: layout of the files.
        columns: names of their columns, like ``text_a=sentence,label=gold``.
        recipe: a TOML file; by default one that suits task and model.
        transfer: how the task uses a model.
        settings: changes to the recipe, each ``path=value``.
    """

    task: str
    train: str
    dev: str | None = None
    test: str | None = None
    format: str | None = None
    columns: str | None = None
    recipe: str | None = None
    transfer: Transfer | None = None
    settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ConfigError(
                f"Unknown task {self.task!r}. {nearest(self.task, TASKS)}Known: {', '.join(TASKS)}."
            )
        if self.dev is None and self.test is None:
            raise ConfigError(
                f"The task {self.task!r} on {self.train} has nothing to compare arms on: give "
                "test, or dev."
            )

    @property
    def files(self) -> dict[str, str]:
        """The files by split."""
        splits = {"train": self.train, "dev": self.dev, "test": self.test}
        return {name: path for name, path in splits.items() if path is not None}

    @property
    def judged(self) -> str:
        """The split that arms are compared on."""
        return "test" if self.test is not None else "dev"


@dataclass(frozen=True, kw_only=True)
class AblationConfig(Settings):
    """Arms that are trained alike and compared; the first is what the others are compared with.

    Attributes:
        arms: in the order of the table.
        budget: of each pre-training, if there is any.
        corpus: files, folders or globs; each kind of tokenizer is learned and prepared once. Or
        shards: folders written by ``prepare``, one for each kind of tokenizer.
        tasks: by the name each has in tables.
        settings: changes to every recipe, before an arm's own.
        finetune_settings: changes to every fine-tuning, before those of a task and an arm.
        seed: the first, of pre-trainings and of fine-tunings.
        seeds: fine-tunings of each model on each task.
        pretrain_seeds: pre-trainings of each arm.
    """

    arms: tuple[ArmConfig, ...]
    budget: BudgetConfig | None = None
    corpus: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()
    tasks: dict[str, ComparisonTask] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    finetune_settings: tuple[str, ...] = ()
    seed: int = 0
    seeds: int = 3
    pretrain_seeds: int = 1

    def __post_init__(self) -> None:
        if not self.arms:
            raise ConfigError("No arms: name recipes, or models, to be compared.")
        _refuse_doubles([arm.name for arm in self.arms], [arm.folder for arm in self.arms])
        refuse_budgets(self.settings)
        if any(arm.recipe for arm in self.arms):
            self._check_training()
        for name in ("seeds", "pretrain_seeds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: at least one is needed.")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; it must not be negative.")
        for name in self.tasks:
            if _NOT_IN_NAMES.search(name) or name.startswith("."):
                raise ConfigError(
                    f"A task is named {name!r}: use letters, digits, and . + = , - _ alone."
                )

    def _check_training(self) -> None:
        if self.budget is None:
            raise ConfigError(f"The arms have no budget. {_ONE_BUDGET}")
        if bool(self.corpus) == bool(self.shards):
            raise ConfigError(
                "Give either --corpus or --shards: one source of text, not both or none."
            )

    def pretrainings(self) -> range:
        """Return the seeds of pre-trainings."""
        return range(self.seed, self.seed + self.pretrain_seeds)

    def finetunings(self) -> range:
        """Return the seeds of fine-tunings."""
        return range(self.seed, self.seed + self.seeds)


def refuse_budgets(settings: Iterable[str]) -> None:
    """Refuse changes to a recipe that would give an arm another budget.

    Raises:
        ConfigError: naming the first.
    """
    for change in settings:
        if change.partition("=")[0].strip() in _BUDGETS:
            raise ConfigError(
                f"--set {change}: all arms have the same budget. Give it by --tokens, --minutes "
                "or --flops, and leave it out here."
            )


def _refuse_doubles(names: list[str], folders: list[str]) -> None:
    # Disks may take capitals and small letters for the same.
    plain = [folder.lower() for folder in folders]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ConfigError(
                f"Two arms are called {name!r}. Leave one out, or tell them apart by --label."
            )
        if plain[place] in plain[:place]:
            other = names[plain.index(plain[place])]
            raise ConfigError(
                f"The arms {other!r} and {name!r} would have the same folder, {folders[place]}: "
                "give one of them another --label."
            )
