"""The language model of a saved model, as it goes on learning beside a task."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from gloze.checkpoint.own import language_model_of
from gloze.core.errors import ConfigError
from gloze.encoders.lookup import LookupEncoder
from gloze.encoders.transformer import TransformerEncoder

if TYPE_CHECKING:
    from gloze.checkpoint.loaded import AnyParts
    from gloze.core.contracts import Encoder, Objective

_HEAD = "heads.lm."


def check_language_model(parts: AnyParts) -> None:
    """Refuse a model that does not predict tokens.

    One-way Transformers do: of an output that is the token table there are no weights to look for.

    Raises:
        ConfigError: if it is another, or a language model whose output was not kept.
    """
    encoder = parts.encoder
    is_one_way = not isinstance(encoder, LookupEncoder) and (
        encoder.config.direction != "bidirectional"
    )
    is_known = any(name.startswith(_HEAD) for name in parts.tensors)
    if not is_one_way or not (is_known or isinstance(encoder, TransformerEncoder)):
        why = "has no output to do it with" if is_one_way else "is no language model"
        raise ConfigError(
            f"lm_weight lets the model go on predicting tokens beside the task, and this one {why}."
            " Set lm_weight to 0."
        )


def language_models(parts: AnyParts, weight: float, *, is_new: bool = False) -> list[Objective]:
    """Return what a language model was asked in pre-training, to be asked beside a task.

    Of one that reads both ways these are two objectives with one head.

    Args:
        parts: of the model.
        weight: of the loss beside the task's; nothing is asked if it is 0.
        is_new: leave the head's weights random, from PyTorch's current seed.

    Raises:
        ConfigError: if the model does not predict tokens.
        DataError: if the folder's weights do not fit.
    """
    if not weight:
        return []
    check_language_model(parts)
    encoder, spread = cast("Encoder", parts.encoder), parts.encoder.config.initializer_range
    config = replace(language_model_of(parts.tensors, encoder.vocab_size), weight=weight)
    objectives = config.build_each(encoder, parts.tokenizer, spread)
    if not is_new:
        # That of the other way, if there is one, has no weights of its own.
        parts.load_head("lm", objectives[0].head)
    return objectives
