"""BERT in the layout of Hugging Face: the names of weights and of settings, both ways."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import torch

from gloze.core.errors import DataError
from gloze.interop.their_config import differs, read_config

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from torch import Tensor

    from gloze.encoders.transformer import TransformerConfig
    from gloze.tokenizers import Tokenizer

# Ours, theirs. The number of a layer stands for itself.
_LAYER = [
    ("attention.output", "attention.output.dense"),
    ("attention_norm", "attention.output.LayerNorm"),
    ("intermediate", "intermediate.dense"),
    ("output", "output.dense"),
    ("output_norm", "output.LayerNorm"),
]
# One weight of ours, three of theirs.
_JOINED = "attention.query_key_value"
_APART = ("attention.self.query", "attention.self.key", "attention.self.value")
_REST = [
    ("encoder.embeddings.token_embeddings", "bert.embeddings.word_embeddings"),
    ("encoder.embeddings.position_embeddings", "bert.embeddings.position_embeddings"),
    ("encoder.embeddings.token_type_embeddings", "bert.embeddings.token_type_embeddings"),
    ("encoder.embeddings.norm", "bert.embeddings.LayerNorm"),
    ("encoder.pooler.dense", "bert.pooler.dense"),
    ("heads.mlm.transform.0", "cls.predictions.transform.dense"),
    ("heads.mlm.transform.2", "cls.predictions.transform.LayerNorm"),
    ("heads.mlm.output", "cls.predictions"),
    ("heads.nsp.output", "cls.seq_relationship"),
    ("heads.span.output", "qa_outputs"),
]
# What stands before the name of a weight they have no place for, such as those of a readout.
_OWN = "gloze."
_OURS, _THEIRS = dict(_REST), {theirs: ours for ours, theirs in _REST}
_SCORER = "classifier"
# Not under the name of the encoder, even where that has none.
_BESIDE = ("cls.", "classifier.", "qa_outputs.", _OWN)
# Every other task's head: which of them it is, the folder's class says.
_SCORED = ("classification", "multilabel", "regression", "ranking", "tagging", "choice")
# Of heads of pre-training, the class that has them.
_PRETRAINED = {
    frozenset({"mlm", "nsp"}): "BertForPreTraining",
    frozenset({"mlm"}): "BertForMaskedLM",
    frozenset({"nsp"}): "BertForNextSentencePrediction",
}
_LAYER_OURS, _LAYER_THEIRS = dict(_LAYER), {theirs: ours for ours, theirs in _LAYER}
# Written by older versions, or copies of weights stored elsewhere.
_OLD = [
    (re.compile(r"LayerNorm\.gamma$"), "LayerNorm.weight"),
    (re.compile(r"LayerNorm\.beta$"), "LayerNorm.bias"),
]
_POSITIONS, _TABLE = "bert.embeddings.position_ids", "bert.embeddings.word_embeddings.weight"
_MLM, DECODER = "cls.predictions.", "cls.predictions.decoder.weight"
_BIAS, _BIAS_COPY = "cls.predictions.bias", "cls.predictions.decoder.bias"
_ACTS: dict[str, Literal["gelu", "gelu_new"]] = {
    "gelu": "gelu",
    "gelu_new": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
}

_SIZES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "initializer_range",
    "layer_norm_eps",
)


def their_names(name: str) -> list[str]:
    """Return Hugging Face's names of a weight of ours; of several it is the parts, in order.

    What a head of ours has and theirs has not keeps its name.
    """
    stem, _, last = name.rpartition(".")
    if layer := re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)", stem):
        theirs = _APART if layer[2] == _JOINED else (_LAYER_OURS[layer[2]],)
        return [f"bert.encoder.layer.{layer[1]}.{each}.{last}" for each in theirs]
    if stem in _OURS:
        return [f"{_OURS[stem]}.{last}"]
    is_scorer = stem.removeprefix("heads.").removesuffix(".output") in _SCORED
    return [f"{_SCORER}.{last}" if is_scorer else _OWN + name]


def our_name(name: str, head: str = "classification") -> str | None:
    """Return our name of a weight of theirs; None if we have no such weight.

    Args:
        name: of theirs.
        head: the kind of task whose ``classifier`` is.
    """
    if name.startswith(f"{_OWN}heads."):
        return name.removeprefix(_OWN)
    stem, _, last = name.rpartition(".")
    if stem == _SCORER:
        return f"heads.{head}.output.{last}"
    if layer := re.fullmatch(r"bert\.encoder\.layer\.(\d+)\.(.+)", stem):
        own = _JOINED if layer[2] in _APART else _LAYER_THEIRS.get(layer[2])
        return own and f"encoder.layers.{layer[1]}.{own}.{last}"
    return f"{_THEIRS[stem]}.{last}" if stem in _THEIRS else None


def to_theirs(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of ours under Hugging Face's names."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        names = their_names(name)
        parts = tensor.chunk(len(names))
        found |= {each: part.contiguous() for each, part in zip(names, parts, strict=True)}
    return found


def to_ours(
    tensors: dict[str, Tensor], head: str = "classification"
) -> tuple[dict[str, Tensor], list[str]]:
    """Return a BERT's weights under our names, and the names we have no place for.

    Also read: weights of a bare encoder (without ``bert.``) and names of older versions. Where a
    weight of ours is several of theirs and one of these is missing, the shape will not fit. We
    have no place for a masked-LM head whose decoder is not the token table.

    Args:
        tensors: under their names.
        head: the kind of task whose ``classifier`` is.
    """
    prefix = "" if any(name.startswith("bert.") for name in tensors) else "bert."
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        full = name if name.startswith(_BESIDE) else prefix + name
        for pattern, new in _OLD:
            full = pattern.sub(new, full)
        if full != _POSITIONS:
            named[full] = tensor
    untied = _untied(named)
    named = {name: tensor for name, tensor in named.items() if name not in untied}
    named.pop(DECODER, None)
    copy = named.pop(_BIAS_COPY, None)
    if copy is not None:
        named.setdefault(_BIAS, copy)
    known = {own: their_names(own) for name in named if (own := our_name(name, head)) is not None}
    found = {}
    for own, names in known.items():
        parts = [named[name] for name in names if name in named]
        alike = len(parts) == len(names) and len({part.shape for part in parts}) == 1
        found[own] = torch.cat(parts) if alike else parts[0]
    left_out = [name for name in named if our_name(name) is None]
    return found, [*untied, *(name.removeprefix(prefix) for name in left_out)]


def _untied(named: dict[str, Tensor]) -> list[str]:
    """Return the weights of the masked-LM head if its decoder is not the token table."""
    for one, other in ((DECODER, _TABLE), (_BIAS_COPY, _BIAS)):
        if one in named and other in named and not torch.equal(named[one], named[other]):
            return [name for name in named if name.startswith(_MLM)]
    return []


def why_not(config: TransformerConfig, names: Collection[str]) -> str | None:
    """Return why Hugging Face's BERT cannot compute what this encoder computes; None if it can.

    Args:
        config: of the encoder.
        names: of all weights; any head finds a place.
    """
    del names
    wanted = {
        "direction": "bidirectional",
        "norm_position": "after",
        "position_embeddings": "learned",
        "embedding_norm": True,
    }
    if config.type_vocab_size == 0:
        return "a BERT folder has segments, and type_vocab_size is 0"
    return differs(config, wanted, "a BERT folder")


def to_their_config(
    config: TransformerConfig, vocab_size: int, tokenizer: Tokenizer, names: Collection[str]
) -> dict[str, Any]:
    """Return what ``config.json`` holds, so that ``transformers`` picks the right class.

    With the head of a task the class is for that to say.

    Args:
        config: of the encoder.
        vocab_size: rows of its table.
        tokenizer: of the model.
        names: of all weights.
    """
    heads = {name.split(".")[1] for name in names if name.startswith("heads.")}
    return {
        "architectures": [_PRETRAINED.get(frozenset(heads), "BertModel")],
        "model_type": "bert",
        "vocab_size": vocab_size,
        **{name: getattr(config, name) for name in _SIZES},
        # Unknown to transformers, which keeps it: a control with random weights starts alike.
        "initialization": config.initialization,
        "hidden_act": config.hidden_act,
        "pad_token_id": tokenizer.pad_id,
        "position_embedding_type": "absolute",
        "tie_word_embeddings": True,
        "use_cache": True,
        "dtype": "float32",
    }


def from_their_config(values: dict[str, Any], path: Path) -> tuple[TransformerConfig, int]:
    """Return the sizes and the vocabulary size that a ``config.json`` of a BERT states.

    Raises:
        DataError: if it is not a BERT we can compute, or a value is missing or of another type.
    """
    act = values.get("hidden_act", "gelu")
    if not isinstance(act, str) or act not in _ACTS:
        raise DataError(f"hidden_act {act!r}: only {', '.join(_ACTS)} can be computed.", path=path)
    if values.get("position_embedding_type", "absolute") != "absolute" or values.get("is_decoder"):
        raise DataError("only bidirectional encoders with absolute positions load.", path=path)
    return read_config(values, {name: name for name in _SIZES}, path, hidden_act=_ACTS[act])
