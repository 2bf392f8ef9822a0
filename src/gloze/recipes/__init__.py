"""Named systems: functions that return a recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gloze.config.run import RunConfig
from gloze.config.toml import from_dict, override, read_toml, to_dict
from gloze.core.errors import ConfigError, nearest
from gloze.recipes import transformer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RECIPES: dict[str, Callable[[], RunConfig]] = {
    "bert-tiny": transformer.bert_tiny,
    "bert-mini": transformer.bert_mini,
    "bert-small": transformer.bert_small,
    "bert-medium": transformer.bert_medium,
    "bert-base": transformer.bert_base,
    "bert-large": transformer.bert_large,
}

# Not settings: what wrote the file, noted there by a run.
_NOTES = ("versions",)


def load_recipe(
    recipe: str | Path | RunConfig, changes: Sequence[str] = (), *, seed: int | None = None
) -> RunConfig:
    """Return a recipe by its name or from a TOML file, with ``path=value`` changes applied.

    Raises:
        ConfigError: for an unknown name (the nearest is named), file, setting or value.
    """
    if isinstance(recipe, RunConfig):
        values, where = to_dict(recipe), ""
    elif str(recipe) in RECIPES:
        values, where = to_dict(RECIPES[str(recipe)]()), ""
    elif Path(recipe).suffix == ".toml":
        values, where = read_toml(Path(recipe)), str(recipe)
        values = {name: value for name, value in values.items() if name not in _NOTES}
    else:
        raise ConfigError(
            f"Unknown recipe {str(recipe)!r}. {nearest(str(recipe), RECIPES)}"
            f"Known: {', '.join(RECIPES)}; or give a TOML file (gloze recipes NAME > FILE.toml)."
        )
    config = from_dict(RunConfig, override(values, changes, RunConfig), where)
    return config if seed is None else replace(config, seed=seed)
