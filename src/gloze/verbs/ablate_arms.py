"""The arms of an ablation as trainings: recipe, shards, budget, and which of them are the same."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.config.flops import flops_per_token
from gloze.config.run import RunConfig
from gloze.config.toml import to_dict
from gloze.config.vectors import VectorsConfig
from gloze.core.errors import ConfigError, about
from gloze.core.progress import say
from gloze.data.shards import TOKENIZER, Shards, read_index
from gloze.objectives.counts import SVDConfig
from gloze.recipes import load_any_recipe
from gloze.tokenizers import config_of, load_tokenizer
from gloze.verbs.ablate_folder import SHARDS, TOKENIZERS
from gloze.verbs.prepare import prepare
from gloze.verbs.run_shards import RunShards, told
from gloze.verbs.tokenizer import learn

if TYPE_CHECKING:
    from gloze.config.ablation import AblationConfig, ArmConfig, BudgetConfig
    from gloze.tokenizers import TokenizerConfig

Recipe = RunConfig | VectorsConfig


@dataclass(frozen=True)
class Training:
    """A pre-training, of one arm or of several that differ in their fine-tuning alone.

    Attributes:
        owner: the first of these arms, in whose folder it lies.
        recipe: with the budget and the tokenizer of the shards.
        shards: that it reads.
        tokens: of the training split.
    """

    owner: ArmConfig
    recipe: Recipe
    shards: Path
    tokens: int

    @property
    def key(self) -> str:
        """What tells it from others."""
        settings = {k: v for k, v in to_dict(self.recipe).items() if k != "name"}
        return json.dumps([settings, str(self.shards)], sort_keys=True)

    def flops_per_token(self) -> float | None:
        """Return operations for each token, by formula.

        None for word vectors, whose work is mostly no products of matrices.
        """
        return _flops(self.recipe, self.shards)


def read_recipes(config: AblationConfig) -> dict[str, Recipe]:
    """Return the recipe of each arm that is to be trained, by its name.

    Raises:
        ConfigError: for a recipe that is unknown or cannot be carried out with the budget.
    """
    found: dict[str, Recipe] = {}
    for arm in config.arms:
        if arm.recipe is None or config.budget is None:
            continue
        with about(f"Arm {arm.name}"):
            recipe = load_any_recipe(arm.recipe, [*config.settings, *arm.settings])
            # Any number of tokens and operations: it is to be refused before anything is made.
            found[arm.name] = recipe
            with_budget(recipe, config.budget, tokens=1, flops=1.0)
    return found


def with_budget(
    recipe: Recipe, budget: BudgetConfig, *, tokens: int, flops: float | None
) -> Recipe:
    """Return a recipe that uses up the budget.

    Args:
        recipe: of an encoder or of word vectors.
        budget: of tokens, minutes or operations.
        tokens: of the training split.
        flops: operations for each token, if they are known.

    Raises:
        ConfigError: if such a recipe cannot be given such a budget.
    """
    if isinstance(recipe, VectorsConfig):
        if budget.tokens is None:
            raise ConfigError(
                "word vectors learn in whole passes over the corpus, and their work is mostly no "
                "products of matrices: give the budget in --tokens."
            )
        if isinstance(recipe.objective, SVDConfig):
            return recipe
        passes = max(1, round(budget.tokens / tokens))
        return replace(recipe, training=replace(recipe.training, epochs=passes))
    limits: dict[str, float | None] = dict.fromkeys(("steps", "tokens", "minutes", "epochs"))
    limits["minutes"], limits["tokens"] = budget.minutes, budget.tokens
    if budget.flops is not None:
        assert flops is not None
        limits["tokens"] = math.ceil(budget.flops / flops)
    return replace(recipe, training=replace(recipe.training, **limits))  # type: ignore[arg-type]


def without_training(recipe: Recipe) -> Recipe:
    """Return a recipe that ends before its first step, for the control with random weights.

    Word vectors are trained all the same: which words there are is a part of it.
    """
    if isinstance(recipe, VectorsConfig):
        return recipe
    limits = {"steps": 0, "tokens": None, "minutes": None, "epochs": None}
    training = replace(recipe.training, evaluations=0, **limits)  # type: ignore[arg-type]
    return replace(recipe, training=training)


class Source:
    """The shards of all arms: those given, or made from the corpus, once for each tokenizer."""

    def __init__(self, config: AblationConfig, output: Path) -> None:
        self.config, self.output = config, output
        self.given = [Path(folder) for folder in config.shards]
        self._tell_other_texts()

    def check(self, recipes: dict[str, Recipe]) -> None:
        """See that there are shards, or will be, for every arm that is to be trained.

        Raises:
            ConfigError: if none of those given fit its tokenizer, or several.
            DataError: if a folder holds no shards.
        """
        for arm in self.config.arms:
            if arm.name in recipes:
                self.find(arm, recipes[arm.name])

    def find(self, arm: ArmConfig, recipe: Recipe) -> Path | None:
        """Return the shards for an arm; None if they are yet to be made.

        Raises:
            ConfigError: if none of those given fit its tokenizer, or several.
            DataError: if a folder holds no shards.
        """
        if arm.shards is not None:
            read_index(Path(arm.shards))
            return Path(arm.shards)
        if self.given:
            return self._fitting(arm, recipe.tokenizer)
        folder = self._own(recipe.tokenizer)
        return folder if folder.exists() else None

    def make(self, arm: ArmConfig, recipe: Recipe) -> Path:
        """Return the shards for an arm, made if they are not there."""
        found = self.find(arm, recipe)
        if found is not None:
            return found
        folder, corpus = self._own(recipe.tokenizer), list(self.config.corpus)
        learned = self.output / TOKENIZERS / folder.name
        if not learned.exists():
            say(told(learn(corpus, output=learned, config=recipe.tokenizer)))
        say(told(prepare(corpus, tokenizer=learned, output=folder, seed=self.config.seed)))
        return folder

    def _own(self, tokenizer: TokenizerConfig) -> Path:
        """Return where the shards of a tokenizer of these settings are made."""
        text = json.dumps(to_dict(tokenizer), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return self.output / SHARDS / f"{tokenizer.kind}-{tokenizer.vocab_size}-{digest}"

    def _fitting(self, arm: ArmConfig, wanted: TokenizerConfig) -> Path:
        there = {folder: config_of(load_tokenizer(folder / TOKENIZER)) for folder in self.given}
        exact = [folder for folder, own in there.items() if own == wanted]
        # Of a tokenizer that we could not have learned nothing is known.
        alike = [f for f, own in there.items() if own is None or own.kind == wanted.kind]
        fitting = exact if len(exact) == 1 else alike
        listed = ", ".join(
            f"{f} ({own.kind if own else 'another kind'})" for f, own in there.items()
        )
        if not fitting:
            raise ConfigError(
                f"Arm {arm.name}: its tokenizer is of the kind {wanted.kind}, and no shards are: "
                f"{listed}. Prepare the same corpus with such a tokenizer and give both by "
                f"--shards, give --corpus instead, or set tokenizer.kind for the arm."
            )
        if len(fitting) > 1:
            raise ConfigError(
                f"Arm {arm.name}: several shards fit its tokenizer: {listed}. Say which, by "
                "--shards behind the arm."
            )
        return fitting[0]

    def _tell_other_texts(self) -> None:
        """Say so where the shards do not seem to be of one text."""
        counts = {
            folder: sum(split["documents"] for split in read_index(folder)["splits"].values())
            for folder in self.given
        }
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{folder} {count:,}" for folder, count in counts.items())
            say(f"The shards are not of one text, by their documents: {listed}.")


def trainings(
    config: AblationConfig, recipes: dict[str, Recipe], source: Source
) -> dict[str, Training]:
    """Return the pre-training of each arm that has one, by its name; arms may share one."""
    found: dict[str, Training] = {}
    by_key: dict[str, Training] = {}
    for arm in config.arms:
        if arm.name in recipes:
            with about(f"Arm {arm.name}"):
                own = _training(config, arm, recipes[arm.name], source.make(arm, recipes[arm.name]))
            found[arm.name] = by_key.setdefault(own.key, own)
    return found


def _training(config: AblationConfig, arm: ArmConfig, recipe: Recipe, shards: Path) -> Training:
    resolve: Any = RunShards.of((), shards, None).resolve
    recipe = resolve(replace(recipe, seed=config.seed), ())
    tokens = int(read_index(shards)["splits"]["train"]["tokens"])
    assert config.budget is not None
    flops = None if config.budget.flops is None else _flops(recipe, shards)
    limited = with_budget(recipe, config.budget, tokens=tokens, flops=flops)
    if arm.transfer == "none":
        limited = without_training(limited)
    return Training(arm, limited, shards, tokens)


def _flops(recipe: Recipe, shards: Path) -> float | None:
    if isinstance(recipe, VectorsConfig):
        return None
    train = Shards.open(shards, "train", verify=False)
    return flops_per_token(recipe, train, load_tokenizer(train.tokenizer_path))
