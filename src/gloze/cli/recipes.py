"""``gloze recipes`` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gloze.verbs.recipes import RecipeList, RecipeText


def recipes(name: str | None = None, /) -> RecipeList | RecipeText:
    """List the named recipes, or print one.

    Example: gloze recipes bert-mini > mini.toml

    Args:
        name: the recipe to print as TOML; without it all are listed.
    """
    from gloze.verbs.recipes import recipes as run

    return run(name)
