"""``gloze recipes``: what systems there are, and their settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gloze.config.toml import to_dict, to_toml
from gloze.recipes import CHANGED, CHANGES, RECIPES, SIZES, VECTOR_RECIPES, load_any_recipe

if TYPE_CHECKING:
    from gloze.config.run import RunConfig
    from gloze.config.vectors import VectorsConfig


@dataclass(frozen=True)
class RecipeList:
    """The names of the recipes and of the changes to them, each with one sentence.

    Attributes:
        recipes: of encoders, by name.
        vectors: recipes of word vectors, by name.
        sizes: further names, of Google's small sizes.
        changes: by name.
    """

    recipes: dict[str, str]
    vectors: dict[str, str]
    sizes: tuple[str, ...]
    changes: dict[str, str]

    def __str__(self) -> str:
        width = max(len(name) for name in (*self.recipes, *self.vectors, *self.changes))
        systems, vectors, changes = (
            [f"{name:{width}}  {about}" for name, about in some.items()]
            for some in (self.recipes, self.vectors, self.changes)
        )
        systems.append(f"{self.sizes[0]} ... {self.sizes[-1]}  24 sizes (Turc et al. 2019)")
        between = (
            "",
            f"Changes, behind any of these with a + (bert-mini+no-nsp); alone, to {CHANGED}:",
        )
        after = ("", "Of word vectors:", *vectors, "", "Print one: gloze recipes NAME > FILE.toml")
        return "\n".join([*systems, *between, *changes, *after])

    def to_dict(self) -> dict[str, Any]:
        """Return the list as JSON knows it."""
        return {**asdict(self), "sizes": list(self.sizes)}


@dataclass(frozen=True)
class RecipeText:
    """One recipe: printed as TOML that ``gloze pretrain`` reads."""

    recipe: RunConfig | VectorsConfig

    def __str__(self) -> str:
        return to_toml(self.recipe).rstrip("\n")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON knows them."""
        return to_dict(self.recipe)


def recipes(name: str | None = None) -> RecipeList | RecipeText:
    """Return the list of recipes, or one of them.

    Args:
        name: of a recipe, changes behind it or not; without it all are listed.

    Raises:
        ConfigError: for an unknown name.
    """
    if name is not None:
        return RecipeText(load_any_recipe(name))
    return RecipeList(
        {key: _about(build.__doc__) for key, build in RECIPES.items()},
        {key: _about(build.__doc__) for key, build in VECTOR_RECIPES.items()},
        tuple(SIZES),
        {key: _about(change.__doc__) for key, change in CHANGES.items()},
    )


def _about(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n")[0]
