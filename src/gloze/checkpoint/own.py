"""Encoders that Hugging Face has no layout for: a model folder of ours, and what it is good for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from gloze.checkpoint.find import WEIGHTS, config_of, find_model, is_elmo
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
from gloze.interop.elmo import read_elmo
from gloze.interop.gpt import GENERATIONS
from gloze.objectives.lm import LEAST_VOCABULARY, LanguageModelConfig
from gloze.tokenizers import load_tokenizer
from gloze.vectors.folder import VECTORS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor


OwnEncoder = TransformerEncoder | FeedForwardEncoder | LSTMEncoder
OwnModel = Loaded[OwnEncoder]
MODEL_TYPE = "gloze-encoder"
_LAYER = re.compile(r"encoder\.(?:stacks\.\d+\.|backward_)?layers\.(\d+)\.")
_PREFIX, _POOLER = "encoder.", "pooler."


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


def refuse_language_models(folder: Path, *, but_transformers: bool = False) -> None:
    """Refuse a model that sees one side alone, by what its folder says of itself.

    Args:
        folder: of the model.
        but_transformers: one-way Transformers are welcome; what is left are other kinds.

    Raises:
        ConfigError: if it is one.
    """
    if is_elmo(folder):
        raise ConfigError(
            f"{folder} holds an ELMo, whose vectors of words gloze encode writes, and an encoder "
            "that sees both sides in each layer is needed here."
        )
    path = config_of(folder)
    config = read_json(path) if path.is_file() else None
    told = _language_model(config, but_transformers) if isinstance(config, dict) else None
    if told is None:
        return
    vectors = folder.parent / VECTORS
    cure = f" Its word vectors do more: {vectors}." if vectors.exists() else ""
    raise ConfigError(
        f"{folder} holds a {told}, which gloze evaluate judges on text and gloze generate writes "
        f"with, and an encoder that sees both sides is needed here.{cure}"
    )


def _language_model(config: dict[str, Any], but_transformers: bool) -> str | None:
    """Return what language model a ``config.json`` is of; None if of none that is refused."""
    if config.get("model_type") in GENERATIONS:
        name = GENERATIONS[config["model_type"]].name
        return None if but_transformers else f"{name} language model (left-to-right)"
    if not is_own(config):
        return None
    said = config["encoder"] if isinstance(config.get("encoder"), dict) else {}
    kind, direction = (str(said.get(name)).replace("_", "-") for name in ("kind", "direction"))
    is_welcome = direction == "bidirectional" or (but_transformers and kind == "transformer")
    return None if is_welcome else f"{kind} language model ({direction})"


def refuse_two_sides(folder: Path) -> None:
    """Refuse a model that does not predict the next token, by what its folder says of itself.

    Raises:
        ConfigError: if it is one.
    """
    path = config_of(folder)
    config = read_json(path) if path.is_file() else None
    if not isinstance(config, dict) or _language_model(config, False) is None:
        raise ConfigError(
            f"{folder} is no language model: it does not predict the next token. Such a model is "
            "a GPT or GPT-2, or what gloze pretrain makes of recipes like gpt-small and nnlm."
        )


def language_model_of(tensors: Mapping[str, Tensor], vocab_size: int) -> LanguageModelConfig:
    """Return the settings of a folder's language model.

    Args:
        tensors: all weights of the folder.
        vocab_size: of its encoder.
    """
    head = "heads.lm.output."
    table = tensors.get(f"{head}table.weight")
    # Fewer than a model can have fit no head, which is said where it is filled.
    is_narrow = table is not None and LEAST_VOCABULARY <= len(table) < vocab_size
    return LanguageModelConfig(
        tie_weights=table is None,
        bias=f"{head}bias" in tensors,
        vocab_size=len(table) if table is not None and is_narrow else None,
    )


def load_own(path: str | Path, *, cased: bool | None = None) -> OwnModel | None:
    """Read a model folder of ours, a run, or a published ELMo; None if it is of another kind.

    Args:
        path: of it.
        cased: must not be given: its tokenizer says it.

    Raises:
        ConfigError: if there is no such folder.
        DataError: if a file is missing, broken, or does not fit the others.
    """
    folder = find_model(path)
    if is_elmo(folder):
        return _load_elmo(folder)
    where = config_of(folder)
    config = read_json(where) if where.is_file() else None
    if not isinstance(config, dict) or not is_own(config):
        return None
    if (folder / "manifest.json").exists():
        verify_manifest(folder)
    vocab_size = config.get("vocab_size")
    tokenizer, tensors = load_tokenizer(folder, cased=cased), load_tensors(folder / WEIGHTS)
    if not isinstance(vocab_size, int) or not 0 < vocab_size < 1e8:
        raise DataError(f"vocab_size is {vocab_size!r}: not a number that makes sense.", path=where)
    if tokenizer.vocab_size > vocab_size:
        raise DataError(
            f"the tokenizer has {tokenizer.vocab_size} entries and the model {vocab_size}.",
            path=folder,
        )
    layers = {match[1] for name in tensors if (match := _LAYER.match(name))}
    encoder = _encoder(config.get("encoder"), vocab_size, len(layers), where)
    types = {name: tensor.dtype for name, tensor in encoder.state_dict().items()}
    wanted = {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()}
    if not any(name.startswith(_POOLER) for name in wanted):
        # Written when encoders that look back alone had one, which learned nothing.
        tensors = {k: v for k, v in tensors.items() if not k.startswith(_PREFIX + _POOLER)}
    own = {k.removeprefix(_PREFIX): v for k, v in tensors.items() if k.startswith(_PREFIX)}
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    if wrong := sorted(dict(shapes.items() ^ wanted.items())):
        name = wrong[0]
        raise DataError(
            f"{name} has shape {shapes.get(name, 'none')}, expected {wanted.get(name, 'none')}.",
            path=folder / WEIGHTS,
        )
    encoder.load_state_dict({k: v.to(types[k]) for k, v in own.items()}, assign=True)
    return Loaded(encoder, tokenizer, tensors, config, [])


def _load_elmo(folder: Path) -> OwnModel:
    encoder, tokenizer = read_elmo(folder)
    tensors = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    return Loaded(encoder, tokenizer, tensors, own_config(encoder), [])


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
