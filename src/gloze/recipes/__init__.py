"""Named systems: functions that return a recipe."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gloze.config.run import RunConfig
from gloze.config.toml import from_dict, override, read_toml, to_dict
from gloze.core.errors import ConfigError, nearest
from gloze.interop.google_bert import SMALL_LAYERS, SMALL_SIZES, size_name
from gloze.recipes import transformer
from gloze.recipes.changes import CHANGES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RECIPES: dict[str, Callable[[], RunConfig]] = {
    "bert-tiny": transformer.bert_tiny,
    "bert-mini": transformer.bert_mini,
    "bert-small": transformer.bert_small,
    "bert-medium": transformer.bert_medium,
    "bert-base": transformer.bert_base,
    "bert-large": transformer.bert_large,
    "bert-large-lamb": transformer.bert_large_lamb,
}
# By Google's names of sizes.
SIZES: dict[str, Callable[[], RunConfig]] = {
    size_name(layers, hidden): partial(transformer.google_size, layers, hidden)
    for layers in SMALL_LAYERS
    for hidden in SMALL_SIZES
}
__all__ = ["CHANGED", "CHANGES", "RECIPES", "SIZES", "load_recipe"]

# What a change without a system is made to: the paper's.
CHANGED = "bert-base"

# Not settings: what wrote the file, noted there by a run.
_NOTES = ("versions",)


def load_recipe(
    recipe: str | Path | RunConfig, changes: Sequence[str] = (), *, seed: int | None = None
) -> RunConfig:
    """Return a recipe by its name or from a TOML file, with ``path=value`` changes applied.

    A name may have named changes behind it, each after a ``+``: ``bert-mini+no-nsp``.

    Raises:
        ConfigError: for an unknown name (the nearest is named), file, setting or value.
    """
    if isinstance(recipe, RunConfig):
        values, where = to_dict(recipe), ""
    elif Path(recipe).suffix == ".toml":
        values, where = read_toml(Path(recipe)), str(recipe)
        values = {name: value for name, value in values.items() if name not in _NOTES}
    else:
        values, where = to_dict(_named(str(recipe))), ""
    config = from_dict(RunConfig, override(values, changes, RunConfig), where)
    return config if seed is None else replace(config, seed=seed)


def _named(name: str) -> RunConfig:
    first, *rest = name.split("+")
    system, changes = (CHANGED, [first, *rest]) if first in CHANGES else (first, rest)
    build = RECIPES.get(system) or SIZES.get(system)
    if build is None:
        known = [*RECIPES, *SIZES, *CHANGES]
        raise ConfigError(
            f"Unknown recipe {system!r}. {nearest(system, known)}Known: {', '.join(RECIPES)}, "
            f"sizes like {next(iter(SIZES))}, each with changes behind it (gloze recipes lists "
            "them); or give a TOML file (gloze recipes NAME > FILE.toml)."
        )
    config = build()
    for change in changes:
        if change not in CHANGES:
            raise ConfigError(
                f"Unknown change {change!r} in {name!r}. {nearest(change, CHANGES)}"
                f"Known: {', '.join(CHANGES)}."
            )
        config = CHANGES[change](config)
    return replace(config, name=name)
