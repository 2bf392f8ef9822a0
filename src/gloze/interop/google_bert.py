"""Google's own BERT checkpoints: names of weights and settings, both ways, and known models.

Layout and names are those of google-research/bert (Devlin et al. 2019): ``bert_config.json``,
``vocab.txt`` and a checkpoint of TensorFlow. Its dense layers hold their weights turned.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gloze.core.errors import ConfigError, DataError
from gloze.core.files import read_json, write_json
from gloze.interop.huggingface import our_name
from gloze.interop.tensor_bundle import INDEX, read_bundle, write_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

CONFIG, CHECKPOINT = "bert_config.json", "bert_model.ckpt"
# Not Google's, which says gelu and means tanh in its later code; it passes over what is new to it.
APPROXIMATE = "gelu_approximate"

# Google's, theirs: what does not follow from a rule.
_NAMES = {
    "bert/embeddings/word_embeddings": "bert.embeddings.word_embeddings.weight",
    "bert/embeddings/position_embeddings": "bert.embeddings.position_embeddings.weight",
    "bert/embeddings/token_type_embeddings": "bert.embeddings.token_type_embeddings.weight",
    "cls/predictions/output_bias": "cls.predictions.bias",
    "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
    "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
    "cls/squad/output_weights": "qa_outputs.weight",
    "cls/squad/output_bias": "qa_outputs.bias",
    "output_weights": "classifier.weight",
    "output_bias": "classifier.bias",
}
_GOOGLE = {theirs: google for google, theirs in _NAMES.items()}
_LAST = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
_COUNTERS = ("global_step", "beta1_power", "beta2_power")

# Turc et al. 2019: every combination, with heads of 64 numbers, uncased English.
SMALL_LAYERS, SMALL_SIZES = (2, 4, 6, 8, 10, 12), (128, 256, 512, 768)
_SHORT = {"tiny": (2, 128), "mini": (4, 256), "small": (4, 512), "medium": (8, 512)}


def size_name(layers: int, hidden_size: int) -> str:
    """Return Google's name of a size, like ``uncased_L-4_H-256_A-4``."""
    return f"uncased_L-{layers}_H-{hidden_size}_A-{hidden_size // 64}"


def _hub_names() -> dict[str, str]:
    """Return the repositories of a hub that Google's models are in, by the names they go by."""
    small = {size_name(layers, size) for layers in SMALL_LAYERS for size in SMALL_SIZES}
    names = {name: f"google/bert_{name}" for name in small}
    names |= {f"bert_{name}": hub for name, hub in names.items()}
    names |= {f"bert-{short}": names[size_name(*sizes)] for short, sizes in _SHORT.items()}
    classic = {
        "bert-base-uncased": (),
        "bert-base-cased": ("cased_L-12_H-768_A-12",),
        "bert-base-chinese": ("chinese_L-12_H-768_A-12",),
        "bert-base-multilingual-cased": ("multi_cased_L-12_H-768_A-12",),
        "bert-base-multilingual-uncased": ("multilingual_L-12_H-768_A-12",),
        "bert-large-uncased": ("uncased_L-24_H-1024_A-16",),
        "bert-large-cased": ("cased_L-24_H-1024_A-16",),
        "bert-large-uncased-whole-word-masking": ("wwm_uncased_L-24_H-1024_A-16",),
        "bert-large-cased-whole-word-masking": ("wwm_cased_L-24_H-1024_A-16",),
    }
    for name, folders in classic.items():
        names |= dict.fromkeys((name, *folders), f"google-bert/{name}")
    return names


HUB_NAMES = _hub_names()


def find_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint of a folder, as a path without ``.index``; None if it has none.

    Of several it is ``bert_model.ckpt``, else the one that the file ``checkpoint`` names.

    Raises:
        DataError: if there are several and nothing tells which is meant.
    """
    found = {path.name.removesuffix(INDEX) for path in folder.glob(f"*{INDEX}")}
    if len(found) < 2 or CHECKPOINT in found:
        name = CHECKPOINT if CHECKPOINT in found else next(iter(found), None)
        return None if name is None else folder / name
    note = folder / "checkpoint"
    text = note.read_text(encoding="utf-8", errors="replace") if note.is_file() else ""
    named = re.search(r'^model_checkpoint_path: "(?:.*/)?([^/"]+)"', text, re.MULTILINE)
    if named and named[1] in found:
        return folder / named[1]
    raise DataError(
        f"{len(found)} checkpoints: {', '.join(sorted(found))[:200]}.",
        path=folder,
        hint="Keep the files of one, or name it in the file `checkpoint`.",
    )


def read_google(prefix: Path) -> tuple[dict[str, Tensor], list[str], int]:
    """Return a checkpoint's weights under Hugging Face's names.

    Beside them the names of what is unknown, and how many numbers of the optimizer were passed
    over.

    Raises:
        DataError: if it holds no BERT, or is cut or damaged.
    """
    arrays, others = read_bundle(prefix, lambda name: _to_huggingface(name) is not None)
    if not arrays:
        raise DataError(
            "no weight of a BERT in it under the names of google-research/bert; "
            f"it has {', '.join(others[:3]) or 'none'}.",
            path=prefix.with_name(prefix.name + INDEX),
        )
    unknown = [name for name in others if not _is_of_optimizer(name)]
    tensors = {}
    for name, array in arrays.items():
        turned = array.T if name.endswith("/kernel") else array
        tensors[_to_huggingface(name) or name] = torch.from_numpy(np.ascontiguousarray(turned))
    return tensors, unknown, len(others) - len(unknown)


def write_google(folder: Path, tensors: dict[str, Tensor], config: dict[str, Any]) -> None:
    """Write weights and settings of Hugging Face's names as Google's code reads them.

    Raises:
        ConfigError: if Google's code has no place for a weight.
    """
    arrays = {}
    for name, tensor in tensors.items():
        google = _to_google(name)
        if google is None:
            raise ConfigError(f"Google's code has no place for the weight {name}.")
        array = tensor.detach().cpu().float().numpy()
        arrays[google] = array.T if google.endswith("/kernel") else array
    write_bundle(folder / CHECKPOINT, arrays)
    write_json(folder / CONFIG, _to_google_config(config))


def google_config(path: Path) -> Any:
    """Return a ``bert_config.json`` as a ``config.json``: the two differ in GELU alone."""
    values = read_json(path)
    if isinstance(values, dict) and values.get(APPROXIMATE) == "tanh":
        return {**values, "hidden_act": "gelu_new"}
    return values


def _to_google_config(config: dict[str, Any]) -> dict[str, Any]:
    own = ("model_type", "dtype", "hidden_act", "use_cache", "tie_word_embeddings")
    kept = {name: value for name, value in config.items() if name not in own}
    approximate = "tanh" if config["hidden_act"] == "gelu_new" else "none"
    return {**kept, "hidden_act": "gelu", APPROXIMATE: approximate}


def _to_huggingface(name: str) -> str | None:
    """Return Hugging Face's name of a weight of Google's; None if it is none."""
    if name in _NAMES:
        return _NAMES[name]
    stem, _, last = name.rpartition("/")
    if last not in _LAST:
        return None
    dotted = re.sub(r"\blayer_(\d+)\b", r"layer.\1", stem.replace("/", "."))
    found = f"{dotted}.{_LAST[last]}"
    return found if our_name(found) is not None and _to_google(found) == name else None


def _to_google(name: str) -> str | None:
    """Return Google's name of a weight of Hugging Face's; None if it has no place there."""
    if name in _GOOGLE:
        return _GOOGLE[name]
    stem, _, last = name.rpartition(".")
    if not stem.startswith(("bert.", "cls.")):
        return None
    norm = {"weight": "gamma", "bias": "beta"}
    turned = norm[last] if stem.endswith("LayerNorm") else {"weight": "kernel"}.get(last, last)
    return re.sub(r"\blayer\.(\d+)\b", r"layer_\1", stem).replace(".", "/") + f"/{turned}"


def _is_of_optimizer(name: str) -> bool:
    """Return whether this is Adam's of a weight, or a count of its steps."""
    return name in _COUNTERS or _to_huggingface(name.rpartition("/")[0]) is not None
