"""The layouts of Hugging Face that are read and written, by what ``config.json`` calls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gloze.core.errors import DataError, nearest
from gloze.interop import huggingface
from gloze.interop.gpt import GENERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from torch import Tensor

    from gloze.encoders.transformer import TransformerConfig
    from gloze.tokenizers import Tokenizer


@dataclass(frozen=True)
class Architecture:
    """A layout: its settings and its names of weights, both ways.

    Attributes:
        why_not: why it cannot hold an encoder with weights of these names; None if it can.
        to_config: ``config.json`` for an encoder, its vocabulary's size, its tokenizer and the
            names of all weights.
        from_config: settings and vocabulary size that a ``config.json`` states.
        to_theirs: weights of ours under the layout's names.
        to_ours: weights under our names, and the names that have no place with us.
    """

    why_not: Callable[[TransformerConfig, Collection[str]], str | None]
    to_config: Callable[[TransformerConfig, int, Tokenizer, Collection[str]], dict[str, Any]]
    from_config: Callable[[dict[str, Any], Path], tuple[TransformerConfig, int]]
    to_theirs: Callable[[dict[str, Tensor]], dict[str, Tensor]]
    to_ours: Callable[[dict[str, Tensor], str], tuple[dict[str, Tensor], list[str]]]


_BERT = "bert"
ARCHITECTURES = {
    _BERT: Architecture(
        huggingface.why_not,
        huggingface.to_their_config,
        huggingface.from_their_config,
        huggingface.to_theirs,
        huggingface.to_ours,
    ),
    **{
        name: Architecture(
            each.why_not,
            each.to_their_config,
            each.from_their_config,
            each.to_theirs,
            each.to_ours,
        )
        for name, each in GENERATIONS.items()
    },
}


def architecture_of(config: dict[str, Any], path: Path) -> Architecture:
    """Return the layout that a ``config.json`` is of; of BERT if it does not say.

    Raises:
        DataError: if it is of none that can be read.
    """
    kind = config.get("model_type", _BERT)
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        hint = nearest(kind, ARCHITECTURES) if isinstance(kind, str) else ""
        raise DataError(f"model_type {kind!r} cannot be loaded. {hint}Known: {known}.", path=path)
    return ARCHITECTURES[kind]


def architecture_for(config: TransformerConfig, names: Collection[str]) -> Architecture | None:
    """Return the layout that holds an encoder with weights of these names; None if none does."""
    fitting = (each for each in ARCHITECTURES.values() if each.why_not(config, names) is None)
    return next(fitting, None)


def none_fits(config: TransformerConfig, names: Collection[str]) -> str:
    """Return why no layout holds an encoder with weights of these names."""
    reasons = (each.why_not(config, names) for each in ARCHITECTURES.values())
    return "; ".join(reason for reason in reasons if reason is not None)
