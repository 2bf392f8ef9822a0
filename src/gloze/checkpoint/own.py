"""Encoders that Hugging Face has no layout for: a model folder of ours, and what it is good for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from gloze.checkpoint.find import WEIGHTS, config_of, find_model
from gloze.checkpoint.loaded import Loaded
from gloze.checkpoint.store import load_tensors
from gloze.config.run import EncoderConfig
from gloze.config.toml import from_dict, to_dict
from gloze.core.errors import ConfigError, DataError
from gloze.core.files import read_json
from gloze.core.manifest import verify_manifest
from gloze.core.settings import Settings
from gloze.encoders.feed_forward import FeedForwardEncoder
from gloze.encoders.lstm import LSTMEncoder
from gloze.encoders.transformer import TransformerEncoder
from gloze.tokenizers import load_tokenizer
from gloze.vectors.folder import VECTORS

if TYPE_CHECKING:
    from pathlib import Path


OwnEncoder = TransformerEncoder | FeedForwardEncoder | LSTMEncoder
OwnModel = Loaded[OwnEncoder]
MODEL_TYPE = "gloze-encoder"
_LAYER = re.compile(r"encoder\.(?:stacks\.\d+\.)?layers\.(\d+)\.")


@dataclass(frozen=True, kw_only=True)
class _Described(Settings):
    encoder: EncoderConfig


def is_own(config: Any) -> bool:
    """Return whether a ``config.json`` is of a folder of ours."""
    return isinstance(config, dict) and config.get("model_type") == MODEL_TYPE


def own_config(encoder: OwnEncoder) -> dict[str, Any]:
    """Return what ``config.json`` holds."""
    return {
        "model_type": MODEL_TYPE,
        "vocab_size": encoder.vocab_size,
        "encoder": {**to_dict(encoder.config), "direction": encoder.config.direction},
    }


def refuse_own(folder: Path) -> None:
    """Refuse a folder of ours where a BERT is needed.

    Raises:
        ConfigError: if it is one.
    """
    path = config_of(folder)
    config = read_json(path) if path.is_file() else None
    if not isinstance(config, dict) or not is_own(config):
        return
    said = config["encoder"] if isinstance(config.get("encoder"), dict) else {}
    kind, direction = (str(said.get(name)).replace("_", "-") for name in ("kind", "direction"))
    vectors = folder.parent / VECTORS
    cure = f" Its word vectors do more: {vectors}." if vectors.exists() else ""
    raise ConfigError(
        f"{folder} holds a {kind} language model ({direction}), which gloze evaluate judges on "
        "text, and an encoder that sees both sides is needed here."
        f"{cure}"
    )


def load_own(path: str | Path) -> OwnModel | None:
    """Read a model folder of ours, or a run; None if it is of another kind.

    Raises:
        ConfigError: if there is no such folder.
        DataError: if a file is missing, broken, or does not fit the others.
    """
    folder = find_model(path)
    where = config_of(folder)
    config = read_json(where) if where.is_file() else None
    if not isinstance(config, dict) or not is_own(config):
        return None
    if (folder / "manifest.json").exists():
        verify_manifest(folder)
    vocab_size = config.get("vocab_size")
    tokenizer, tensors = load_tokenizer(folder), load_tensors(folder / WEIGHTS)
    if not isinstance(vocab_size, int) or not 0 < vocab_size < 1e8:
        raise DataError(f"vocab_size is {vocab_size!r}: not a number that makes sense.", path=where)
    if tokenizer.vocab_size > vocab_size:
        raise DataError(
            f"the tokenizer has {tokenizer.vocab_size} entries and the model {vocab_size}.",
            path=folder,
        )
    layers = {match[1] for name in tensors if (match := _LAYER.match(name))}
    encoder = _encoder(config.get("encoder"), vocab_size, len(layers), where)
    prefix = "encoder."
    own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    wanted = {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()}
    if wrong := sorted(dict(shapes.items() ^ wanted.items())):
        name = wrong[0]
        raise DataError(
            f"{name} has shape {shapes.get(name, 'none')}, expected {wanted.get(name, 'none')}.",
            path=folder / WEIGHTS,
        )
    encoder.load_state_dict({k: v.to(torch.float32) for k, v in own.items()}, assign=True)
    return Loaded(encoder, tokenizer, tensors, config, [])


def _encoder(values: Any, vocab_size: int, layers: int, path: Path) -> OwnEncoder:
    """Return the encoder that ``config.json`` describes, without memory for its weights yet.

    Args:
        values: what it says.
        vocab_size: rows of the token table.
        layers: how many there are weights of.
        path: of the file.
    """
    if not isinstance(values, dict):
        raise DataError("it says nothing of the encoder.", path=path)
    if values.get("kind") == "feed_forward":
        values = {name: value for name, value in values.items() if name != "direction"}
    try:
        config: Any = from_dict(_Described, {"encoder": values}).encoder
    except ConfigError as error:
        raise DataError(str(error), path=path) from None
    if (claimed := getattr(config, "num_hidden_layers", 0)) != layers:
        raise DataError(f"{claimed} layers, and there are weights of {layers}.", path=path)
    with torch.device("meta"):
        found: OwnEncoder = config.build(vocab_size)
    return found
