"""Models for use: an encoder with its tokenizer and the heads it was pre-trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from gloze.checkpoint.find import find_model
from gloze.checkpoint.model import load_trained, load_transformer
from gloze.checkpoint.own import language_model_of, load_own, refuse_two_sides
from gloze.core.devices import pick_device
from gloze.encoders.lstm import LSTMEncoder
from gloze.inference.model import Model
from gloze.interop.sentence_transformers import read_vectors
from gloze.objectives import OBJECTIVES

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

    from gloze.checkpoint.loaded import Parts
    from gloze.core.devices import Precision


def load(path: str | Path, *, precision: Precision = "float32", device: str = "cpu") -> Model:
    """Load a model for use: a folder of ours, one in Hugging Face layout, or a hub name.

    It is a BERT, a GPT or a GPT-2, or one of ours between them.

    Args:
        path: also a run folder, whose model it loads.
        precision: ``float32``; ``bfloat16``, several times as fast on processors with units for
            it, with vectors at a cosine over 0.999 to those in float32; ``auto``, which is bf16
            where the hardware is fast at it.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``, the fastest there is.

    Raises:
        ConfigError: if there is no such folder, and no hub model of that name can be had, or no
            such device.
        DataError: if a file is missing, broken, or does not fit the others.
    """
    where = pick_device(device)
    return _model(path, load_transformer(path), precision, where)


def load_encoder(
    path: str | Path, *, precision: Precision = "float32", device: str = "cpu"
) -> Model:
    """Load a model for its vectors: what :func:`load` does, LSTMs, or an ELMo as published.

    Args:
        path: as of :func:`load`.
        precision: as of :func:`load`.
        device: as of :func:`load`.

    Raises:
        ConfigError: if there is no such model, or it looks at a few words alone.
        DataError: if a file is missing, broken, or does not fit the others.
    """
    where, folder = pick_device(device), find_model(path)
    own = load_own(folder)
    if own is None or not isinstance(own.encoder, LSTMEncoder):
        return load(path, precision=precision, device=device)
    return Model(own.encoder.to(where), own.tokenizer, {}, precision)


def load_language_model(
    path: str | Path,
    *,
    masked: bool = False,
    precision: Precision = "float32",
    device: str = "cpu",
) -> Model:
    """Load a language model, of any kind and direction.

    Args:
        path: a folder of ours, a run, a GPT or GPT-2 in Hugging Face layout, or a hub name.
        masked: whether a model that sees both sides, which fills blanks, is welcome as well.
        precision: as of :func:`load`.
        device: as of :func:`load`.

    Raises:
        ConfigError: if there is no such model, or it does not predict the next token.
        DataError: if a file is missing, broken, or does not fit the others.
    """
    where, folder = pick_device(device), find_model(path)
    if not masked:
        refuse_two_sides(folder)
    return _model(folder, cast("Parts", load_trained(folder)), precision, where)


def _model(path: str | Path, parts: Parts, precision: Precision, device: torch.device) -> Model:
    heads: dict[str, nn.Module] = {}
    if parts.encoder.config.direction == "bidirectional":
        asked: list[tuple[str, Any]] = [(name, OBJECTIVES[name]()) for name in ("mlm", "nsp")]
    else:
        asked = [("lm", language_model_of(parts.tensors, parts.encoder.vocab_size))]
    for name, config in asked:
        head = config.build(parts.encoder, parts.tokenizer).head
        if parts.load_head(name, head):
            heads[name] = head.to(device)
    vectors, start = read_vectors(find_model(path)), parts.config.get("bos_token_id")
    is_known = type(start) is int and 0 <= start < parts.tokenizer.vocab_size
    return Model(
        parts.encoder.to(device), parts.tokenizer, heads, precision, vectors,
        start if is_known else None,
    )  # fmt: skip
