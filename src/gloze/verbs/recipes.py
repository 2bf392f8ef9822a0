"""``gloze recipes``: what systems there are, and their settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gloze.config.toml import to_dict, to_toml
from gloze.recipes import RECIPES, load_recipe

if TYPE_CHECKING:
    from gloze.config.run import RunConfig


@dataclass(frozen=True)
class RecipeList:
    """The names of the recipes, each with one sentence."""

    recipes: dict[str, str]

    def __str__(self) -> str:
        width = max(len(name) for name in self.recipes)
        lines = [f"{name:{width}}  {about}" for name, about in self.recipes.items()]
        return "\n".join([*lines, "Print one: gloze recipes NAME > FILE.toml"])

    def to_dict(self) -> dict[str, Any]:
        """Return the list as JSON knows it."""
        return {"recipes": self.recipes}


@dataclass(frozen=True)
class RecipeText:
    """One recipe: printed as TOML that ``gloze pretrain`` reads."""

    recipe: RunConfig

    def __str__(self) -> str:
        return to_toml(self.recipe).rstrip("\n")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON knows them."""
        return to_dict(self.recipe)


def recipes(name: str | None = None) -> RecipeList | RecipeText:
    """Return the list of recipes, or one of them.

    Args:
        name: of a recipe; without it all are listed.

    Raises:
        ConfigError: for an unknown name.
    """
    if name is not None:
        return RecipeText(load_recipe(name))
    return RecipeList({key: _about(build.__doc__) for key, build in RECIPES.items()})


def _about(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n")[0]
