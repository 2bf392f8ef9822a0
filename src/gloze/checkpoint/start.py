"""A saved model as the beginning of another pre-training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from gloze.checkpoint.model import load_trained
from gloze.config.toml import from_dict, override, to_dict
from gloze.core.errors import ConfigError, DataError
from gloze.encoders.lookup import LookupConfig
from gloze.encoders.transformer import TransformerEncoder
from gloze.tokenizers import load_tokenizer, new_ids, with_task_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from gloze.checkpoint.loaded import AnyParts, Loaded, Parts
    from gloze.tokenizers import Tokenizer

E = TypeVar("E", bound=nn.Module)
_TABLE = "encoder.embeddings.token_embeddings.weight"
# The token table, by the kinds of encoders.
_TABLES = (_TABLE, "encoder.embeddings.weight")
# What else has a row for each token.
_OUTPUTS = ("heads.mlm.output.bias", "heads.lm.output.bias", "heads.lm.output.table.weight")


def start_from(
    model: str | Path, changes: Sequence[str] = (), tokenizer: str | Path | None = None
) -> Parts:
    """Return a saved model to train on, with the dropout that ``changes`` ask for.

    Args:
        model: a folder or a hub name.
        changes: of a recipe, each ``path=value``.
        tokenizer: must be the model's own if given.

    Raises:
        ConfigError: if there is no such model, or a change does not fit its weights.
        DataError: if another tokenizer is given, or the folder is broken.
    """
    parts: Any = load_trained(model)
    if tokenizer is not None:
        _refuse_other(tokenizer, parts)
    own = to_dict(parts.encoder.config)
    changes = [change for change in changes if change.startswith("encoder.")]
    kind = type(parts.encoder.config)
    wanted = from_dict(kind, override({"encoder": own}, changes)["encoder"], "encoder")
    for name, value in own.items():
        if not name.endswith("dropout_prob") and getattr(wanted, name) != value:
            raise ConfigError(
                f"encoder.{name} cannot be set: --init brings an encoder with {value}."
            )
    return _rebuilt(parts, wanted)


def for_task(parts: AnyParts, rates: dict[str, float]) -> AnyParts:
    """Return a saved model whose encoder has this dropout while it learns a task.

    Args:
        parts: of the model.
        rates: by name of the encoder's setting, like ``hidden_dropout_prob``; others stay.

    Raises:
        ConfigError: if a rate is not at least 0 and under 1, or the encoder is a table of words.
    """
    if not rates:
        return parts
    config: Any = parts.encoder.config
    if isinstance(config, LookupConfig):
        raise ConfigError(
            f"encoder.{next(iter(rates))} does nothing here: a table of word vectors has no "
            "dropout. Set readout.lstm_dropout."
        )
    if foreign := [name for name in rates if not hasattr(config, name)]:
        known = [name for name in vars(config) if name.endswith("dropout_prob")]
        raise ConfigError(
            f"encoder.{foreign[0]} does nothing here: a {config.kind} encoder has "
            f"{', '.join(known)}."
        )
    return _rebuilt(parts, replace(config, **rates))


def with_tokenizer(parts: Parts, tokenizer: Tokenizer) -> Parts:
    """Return a model for a vocabulary with other words in some places, or more at its end.

    What the model knew of the pieces that a new word was written in so far becomes its start: its
    row of the token table, and its numbers in the output, are the means of theirs.
    """
    before = parts.tokenizer
    ids = new_ids(tokenizer, before)
    pieces, lengths = before.encode(tokenizer.tokens(ids))
    owner = torch.repeat_interleave(torch.arange(len(ids)), torch.from_numpy(lengths))
    tensors = dict(parts.tensors)
    for name in (*_TABLES, *_OUTPUTS):
        if name in tensors:
            old = tensors[name].to(torch.float32)
            sums = old.new_zeros(len(ids), *old.shape[1:])
            sums.index_add_(0, owner, old[torch.from_numpy(pieces).long()])
            divisors = torch.from_numpy(lengths).view(-1, *[1] * (old.ndim - 1))
            tensors[name] = _grown(old, tokenizer.vocab_size)
            tensors[name][ids] = sums / divisors
    extended = replace(parts, tokenizer=tokenizer, tensors=tensors)
    return _rebuilt(extended, parts.encoder.config)


def for_sequences(parts: AnyParts) -> AnyParts:
    """Return a model whose vocabulary can begin, part and end the sequences of a task.

    A one-way Transformer without such tokens, as GPT was published, gets those of
    :func:`gloze.tokenizers.with_task_tokens`, their rows random from PyTorch's current seed; any
    other model comes back as it is.
    """
    encoder = parts.encoder
    if not isinstance(encoder, TransformerEncoder) or encoder.config.direction == "bidirectional":
        return parts
    tokenizer = with_task_tokens(parts.tokenizer)
    if tokenizer is parts.tokenizer:
        return parts
    ids, tensors = new_ids(tokenizer, parts.tokenizer), dict(parts.tensors)
    spread = encoder.config.initializer_range
    for name in (_TABLE, *_OUTPUTS):
        if name in tensors:
            grown = _grown(tensors[name].to(torch.float32), tokenizer.vocab_size)
            new = torch.zeros_like(grown[ids])
            # Of a bias they are zeros.
            grown[ids] = new.normal_(std=spread) if new.ndim == 2 else new
            tensors[name] = grown
    return _rebuilt(replace(parts, tokenizer=tokenizer, tensors=tensors), encoder.config)


def _grown(tensor: Tensor, size: int) -> Tensor:
    """Return a copy with rows of zeros at its end, where it has fewer rows than that."""
    more = max(0, size - len(tensor))
    return torch.cat([tensor, tensor.new_zeros(more, *tensor.shape[1:])])


def _rebuilt(parts: Loaded[E], config: Any) -> Loaded[E]:
    """Return the model with an encoder of this configuration, and of the table it has now."""
    name = next(name for name in _TABLES if name in parts.tensors)
    table = parts.tensors[name]
    # The weights drawn here are thrown away, and must not take random numbers from the head's.
    with torch.random.fork_rng(devices=[]):
        encoder = config.build(len(table))
    state = parts.encoder.state_dict()
    state[name.removeprefix("encoder.")] = table
    encoder.load_state_dict(state)
    return replace(parts, encoder=encoder)


def _refuse_other(tokenizer: str | Path, parts: Parts) -> None:
    if load_tokenizer(tokenizer).fingerprint != parts.tokenizer.fingerprint:
        raise DataError(
            "not the tokenizer of the model that --init names, whose ids its weights stand for.",
            path=tokenizer,
            hint="Leave --tokenizer out.",
        )
