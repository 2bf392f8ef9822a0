"""Named systems: functions that return a recipe."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gloze.config.run import RunConfig
from gloze.config.toml import from_dict, override, read_toml, to_dict
from gloze.config.vectors import VectorsConfig
from gloze.core.errors import ConfigError, nearest
from gloze.interop.google_bert import SMALL_LAYERS, SMALL_SIZES, size_name
from gloze.recipes import feed_forward, gpt, recurrent, static, transformer
from gloze.recipes.changes import CHANGES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Recipe = TypeVar("Recipe", RunConfig, VectorsConfig)
RECIPES: dict[str, Callable[[], RunConfig]] = {
    "bert-tiny": transformer.bert_tiny,
    "bert-mini": transformer.bert_mini,
    "bert-small": transformer.bert_small,
    "bert-medium": transformer.bert_medium,
    "bert-base": transformer.bert_base,
    "bert-large": transformer.bert_large,
    "bert-large-lamb": transformer.bert_large_lamb,
    "gpt": gpt.gpt,
    "gpt2": gpt.gpt2,
    "gpt-small": gpt.gpt_small,
    "nnlm": feed_forward.nnlm,
    "lstm-lm": recurrent.lstm_lm,
    "lstm-small": recurrent.lstm_small,
    "awd-lstm": recurrent.awd_lstm,
    "ulmfit": recurrent.ulmfit,
    "taglm": recurrent.taglm,
    "elmo": recurrent.elmo,
    "elmo-small": recurrent.elmo_small,
}
VECTOR_RECIPES: dict[str, Callable[[], VectorsConfig]] = {
    "skip-gram": static.skip_gram,
    "skip-gram-hs": static.skip_gram_hs,
    "cbow": static.cbow,
    "cbow-hs": static.cbow_hs,
    "ppmi-svd": static.ppmi_svd,
    "glove": static.glove,
}
# By Google's names of sizes.
SIZES: dict[str, Callable[[], RunConfig]] = {
    size_name(layers, hidden): partial(transformer.google_size, layers, hidden)
    for layers in SMALL_LAYERS
    for hidden in SMALL_SIZES
}
__all__ = [
    "CHANGED",
    "CHANGES",
    "RECIPES",
    "SIZES",
    "VECTOR_RECIPES",
    "load_any_recipe",
    "load_recipe",
]

# What a change without a system is made to: the paper's.
CHANGED = "bert-base"

# Not settings: what wrote the file, noted there by a run.
_NOTES = ("versions",)


def load_recipe(
    recipe: str | Path | RunConfig | VectorsConfig,
    changes: Sequence[str] = (),
    *,
    seed: int | None = None,
) -> RunConfig:
    """Return the recipe of an encoder, as :func:`load_any_recipe` does.

    Raises:
        ConfigError: also if it is one of word vectors.
    """
    found = load_any_recipe(recipe, changes, seed=seed)
    if isinstance(found, VectorsConfig):
        raise ConfigError(f"{found.name} trains word vectors, and an encoder is needed here.")
    return found


def load_any_recipe(
    recipe: str | Path | RunConfig | VectorsConfig,
    changes: Sequence[str] = (),
    *,
    seed: int | None = None,
) -> RunConfig | VectorsConfig:
    """Return a recipe by its name or from a TOML file, with ``path=value`` changes applied.

    A name may have named changes behind it, each after a ``+``: ``bert-mini+no-nsp``.

    Raises:
        ConfigError: for an unknown name (the nearest is named), file, setting or value.
    """
    if isinstance(recipe, RunConfig | VectorsConfig):
        values, where = to_dict(recipe), ""
    elif Path(recipe).suffix == ".toml":
        values, where = read_toml(Path(recipe)), str(recipe)
        values = {name: value for name, value in values.items() if name not in _NOTES}
    else:
        values, where = to_dict(_named(str(recipe))), ""
    if _is_of_vectors(values):
        return _seeded(_changed(VectorsConfig, values, changes, where), seed)
    return _seeded(_changed(RunConfig, values, changes, where), seed)


def _changed(
    kind: type[Recipe], values: dict[str, Any], changes: Sequence[str], where: str
) -> Recipe:
    return from_dict(kind, override(values, changes, kind), where)


def _seeded(config: Recipe, seed: int | None) -> Recipe:
    return config if seed is None else replace(config, seed=seed)


def _is_of_vectors(values: dict[str, Any]) -> bool:
    encoder = values.get("encoder")
    return isinstance(encoder, dict) and encoder.get("kind") == "lookup"


def _named(name: str) -> RunConfig | VectorsConfig:
    if name in VECTOR_RECIPES:
        return VECTOR_RECIPES[name]()
    first, *rest = name.split("+")
    system, changes = (CHANGED, [first, *rest]) if first in CHANGES else (first, rest)
    build = RECIPES.get(system) or SIZES.get(system)
    if build is None:
        known = [*RECIPES, *VECTOR_RECIPES, *SIZES, *CHANGES]
        listed = ", ".join([*RECIPES, *VECTOR_RECIPES])
        raise ConfigError(
            f"Unknown recipe {system!r}. {nearest(system, known)}Known: {listed}, "
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
