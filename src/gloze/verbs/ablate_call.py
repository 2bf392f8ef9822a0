"""What a call of ``gloze ablate`` asks for: read, put together, checked before anything begins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.checkpoint import find_any
from gloze.config.ablation import AblationConfig, ArmConfig, ComparisonTask
from gloze.config.ablation_words import read_amount, read_arm, read_task
from gloze.config.finetuning import kind_of_encoder
from gloze.config.toml import from_dict, read_toml, to_dict
from gloze.config.vectors import VectorsConfig
from gloze.core.errors import ConfigError, about
from gloze.core.lists import as_list
from gloze.encoders.feed_forward import FeedForwardConfig
from gloze.encoders.lookup import LookupConfig
from gloze.recipes.finetuning import load_finetuning
from gloze.tasks.labelled import read_splits
from gloze.verbs.ablate_folder import ABLATION, added_to, without_notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gloze.config.finetuning import FinetuneConfig
    from gloze.tasks.learned import Learned
    from gloze.verbs.ablate_arms import Recipe

Arms = str | Path | ArmConfig | AblationConfig
_BUDGETS, _LISTS = ("tokens", "minutes", "flops"), ("corpus", "shards")
_CHANGES = ("settings", "finetune_settings")


def read_call(
    arms: Sequence[Arms],
    tasks: Sequence[str] | Mapping[str, ComparisonTask],
    output: Path,
    *,
    resume: bool,
    **options: Any,
) -> AblationConfig:
    """Return the ablation that a call asks for.

    Args:
        arms: as ``gloze.ablate`` takes them, or a whole ablation.
        tasks: the same.
        output: whose ablation it goes on with, if one is there.
        resume: whether it does.
        options: those that were given; they replace or add to what a file says.

    Raises:
        ConfigError: for what cannot be read, is no ablation, or not the one that is there.
    """
    values, where = _whole(arms)
    given = {name: value for name, value in options.items() if value not in (None, [], ())}
    budget = {name: given.pop(name) for name in _BUDGETS if name in given}
    if budget:
        read = {name: read_amount(name, value) for name, value in budget.items()}
        values["budget"] = {k: int(v) if k == "tokens" else v for k, v in read.items()}
    if texts := {name: given.pop(name) for name in _LISTS if name in given}:
        # One source of text takes the place of the other.
        values = {k: v for k, v in values.items() if k not in _LISTS}
        values |= {name: [str(path) for path in paths] for name, paths in texts.items()}
    for name in _CHANGES:
        values[name] = [*as_list(values.get(name, ())), *given.pop(name, ())]
    named = tasks if isinstance(tasks, dict) else _named(tasks)
    if named:
        added = {name: to_dict(task) for name, task in named.items()}
        values["tasks"] = {**values.get("tasks", {}), **added}
    values |= given
    if resume and ((output / ABLATION).exists() or not values["arms"]):
        values, where = added_to(output, values), str(output / ABLATION)
    return from_dict(AblationConfig, values, where)


def _named(tasks: Any) -> dict[str, ComparisonTask]:
    found: dict[str, ComparisonTask] = {}
    for text in tasks:
        name, task = read_task(text)
        if name in found:
            raise ConfigError(
                f"Two tasks are called {name!r}: give them names, as in 'a={task.task} --train "
                f"{task.train} ...'."
            )
        found[name] = task
    return found


def _whole(arms: Sequence[Arms]) -> tuple[dict[str, Any], str]:
    """Return the settings of a whole ablation, or of arms alone, and where they are from."""
    whole = [arm for arm in arms if isinstance(arm, AblationConfig) or _is_ablation(arm)]
    if whole and len(arms) > 1:
        raise ConfigError(f"{whole[0]} is a whole ablation: name no arms beside it.")
    if whole and isinstance(whole[0], AblationConfig):
        return to_dict(whole[0]), ""
    if whole:
        path = Path(str(whole[0]))
        return without_notes(read_toml(path)), str(path)
    read = [arm if isinstance(arm, ArmConfig) else read_arm(str(arm)) for arm in arms]
    return {"arms": [to_dict(arm) for arm in read]}, ""


def _is_ablation(arm: Arms) -> bool:
    """Return whether this names a file of arms; that of a recipe has none."""
    if isinstance(arm, ArmConfig | AblationConfig):
        return False
    path = Path(arm)
    return path.suffix == ".toml" and path.is_file() and "arms" in read_toml(path)


def check_tasks(config: AblationConfig, recipes: dict[str, Recipe]) -> None:
    """Read every labelled file and every recipe of fine-tuning once, before days of training.

    Raises:
        ConfigError: for a recipe of fine-tuning that cannot be carried out, or a model that is
            not there.
        DataError: for a labelled file that cannot be used.
    """
    for arm in config.arms:
        if arm.model is not None:
            with about(f"Arm {arm.name}"):
                find_any(arm.model)
    for name, task in config.tasks.items():
        with about(f"Task {name}"):
            examples = read_examples(config, task)
            learned: dict[str, Learned] = {}
            for arm in config.arms:
                with about(f"Arm {arm.name}"):
                    own = finetuning_of(config, task, arm, recipes.get(arm.name)).task
                    if arm.name in recipes:
                        _check_arm(own, task, recipes[arm.name].encoder, examples, learned)


def read_examples(config: AblationConfig, task: ComparisonTask) -> dict[str, list[Any]]:
    """Return the labelled examples of a task, by split."""
    reader = load_finetuning(
        None if task.recipe is None else Path(task.recipe),
        [*config.finetune_settings, *task.settings],
        task=task.task,
        transfer=task.transfer,
        hidden_size=768,
    ).task.reader(task.format, task.columns)
    return read_splits(reader, {split: Path(path) for split, path in task.files.items()})


def _check_arm(
    asked: Any,
    task: ComparisonTask,
    encoder: Any,
    examples: dict[str, list[Any]],
    learned: dict[str, Learned],
) -> None:
    """See that an arm's network can learn a task from these examples.

    Args:
        asked: the settings of the task.
        task: whose files the examples are from.
        encoder: the settings of the arm's network.
        examples: by split.
        learned: from them, by settings; most arms have the same.
    """
    if isinstance(encoder, FeedForwardConfig):
        encoder = LookupConfig(hidden_size=encoder.embedding_size)
    own = asked.resolve(is_plain=not isinstance(encoder, LookupConfig), metric=None)
    if repr(own) not in learned:
        learned[repr(own)] = own.learn(examples["train"], Path(task.train))
    for some in examples.values():
        own.check(encoder, some, learned[repr(own)], trained=f"{task.train} has")


def finetuning_of(
    config: AblationConfig, task: ComparisonTask, arm: ArmConfig, recipe: Recipe | None
) -> FinetuneConfig:
    """Return the recipe by which an arm is fine-tuned on a task.

    Of a model that is trained already the sizes are not known here; those of BERT stand for them.
    """
    encoder: Any = None if recipe is None else recipe.encoder
    # A feed-forward language model ends as word vectors, and is fine-tuned as these.
    is_table = isinstance(recipe, VectorsConfig) or isinstance(encoder, FeedForwardConfig)
    sizes: dict[str, Any] = {"hidden_size": 768}
    if is_table:
        size = getattr(encoder, "embedding_size", encoder.hidden_size)
        sizes = {"hidden_size": size, "num_hidden_layers": 0, "kind": "lookup"}
    elif encoder is not None:
        sizes = {"hidden_size": encoder.hidden_size, "kind": kind_of_encoder(encoder)}
        sizes["num_hidden_layers"] = encoder.num_hidden_layers
    return load_finetuning(
        None if task.recipe is None else Path(task.recipe),
        [*config.finetune_settings, *task.settings, *arm.finetune_settings],
        task=task.task,
        transfer=arm.transfer or task.transfer,
        **sizes,
    )
