"""The weights of a model folder, in whichever of the layouts it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_STORED, ZipFile, is_zipfile

import torch
from torch import Tensor

from gloze.checkpoint.find import PICKLED, WEIGHTS, config_of, is_elmo
from gloze.checkpoint.store import load_tensors
from gloze.core.errors import DataError
from gloze.core.files import read_json
from gloze.core.progress import say
from gloze.interop.architectures import architecture_of
from gloze.interop.elmo import find_weights
from gloze.interop.google_bert import APPROXIMATE, find_checkpoint, google_config, read_google
from gloze.interop.huggingface import DECODER, to_ours
from gloze.interop.tensor_bundle import INDEX
from gloze.tasks.model import kind_of_model
from gloze.tokenizers.loading import cased_by_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The head that an old folder means by a classifier.
_USUAL = "classification"
# Where transformers lists the files of weights that are too large for one.
SHARDED = f"{WEIGHTS}.index.json"


@dataclass(frozen=True)
class Weights:
    """What a folder holds besides its tokenizer.

    Attributes:
        config: its settings, as ``config.json`` has them.
        tensors: under our names.
        unknown: names of weights that have no place with us.
        path: of the file of weights, for messages.
    """

    config: dict[str, Any]
    tensors: dict[str, Tensor]
    unknown: list[str]
    path: Path


def weights_of(folder: Path) -> Path:
    """Return the file that tells a folder's weights from others.

    A file is that itself, as of word vectors. Of Google's checkpoints it is the index, which has
    a checksum of each weight.

    Raises:
        DataError: if the folder has no weights, or several.
    """
    if folder.is_file():
        return folder
    if is_elmo(folder):
        return find_weights(folder)
    for name in (WEIGHTS, PICKLED):
        if (folder / name).is_file():
            return folder / name
    if (folder / SHARDED).is_file():
        raise DataError(
            "its weights lie in several files, which are not read.",
            path=folder / SHARDED,
            hint="Save the model again in one: save_pretrained(..., max_shard_size='50GB').",
        )
    prefix = find_checkpoint(folder)
    if prefix is None:
        raise DataError(
            f"no weights: neither {WEIGHTS}, nor {PICKLED}, nor a checkpoint of TensorFlow (*"
            f"{INDEX}).",
            path=folder,
        )
    return prefix.with_name(prefix.name + INDEX)


def read_weights(folder: Path, *, cased: bool | None = None) -> Weights:
    """Read a folder in Hugging Face layout, or one of Google's; say what was assumed of that.

    Args:
        folder: of the model.
        cased: whether its vocabulary keeps capitals, if that is known.

    Raises:
        DataError: if a file is missing, broken, or of another kind.
    """
    path, where = weights_of(folder), config_of(folder)
    if path.suffix != INDEX:
        config = _object(read_json(where), where)
        architecture = architecture_of(config, where)
        theirs = load_tensors(path) if path.name == WEIGHTS else load_pickled(path)
        tensors, unknown = architecture.to_ours(theirs, kind_of_model(config) or _USUAL)
        if DECODER in unknown:
            _tell(
                f"{folder}: its masked-LM head has a decoder of its own (tie_word_embeddings is "
                "false), which we cannot compute: the head is left out."
            )
        return Weights(config, tensors, unknown, path)
    config = _object(google_config(where), where)
    theirs, unknown, skipped = read_google(path.with_suffix(""))
    said = (
        f"{folder}: Google's checkpoint, {len(theirs)} weights; passed over: {skipped} of the "
        f"optimizer, {len(unknown)} unknown."
    )
    _tell(" ".join([said, *_assumed(folder, config, cased)]))
    tensors, _ = to_ours(theirs, kind_of_model(config) or _USUAL)
    return Weights(config, tensors, unknown, path)


def load_pickled(path: Path) -> dict[str, Tensor]:
    """Read the weights of an old ``pytorch_model.bin``; nothing else in it is brought to life.

    Raises:
        DataError: if it is cut, or holds anything but weights by name, each as large as it says.
    """
    try:
        if is_zipfile(path):
            with ZipFile(path) as archive:
                if any(each.compress_type != ZIP_STORED for each in archive.infolist()):
                    raise ValueError("its parts are compressed; PyTorch writes none so")
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # PyTorch's reader raises whatever its parts do.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"not readable as weights of PyTorch ({reason}).", path=path) from error
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in found.items()
    ):
        raise DataError("it holds something else than weights by their names.", path=path)
    for name, tensor in found.items():
        if not _is_whole(tensor):
            raise DataError(f"{name} is no plain array of numbers, all of them there.", path=path)
    return dict(found)


def _is_whole(tensor: Tensor) -> bool:
    """Return whether a tensor's numbers lie in memory, one for each place of its shape."""
    is_plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not is_plain or tensor.is_complex() or tensor.is_quantized:
        return False
    # A view may show one number in many places, which would be made of it in memory.
    return tensor.untyped_storage().nbytes() >= tensor.numel() * tensor.element_size()


def _assumed(folder: Path, config: dict[str, Any], cased: bool | None) -> Iterator[str]:
    """Yield what Google's files leave open, and how it is understood."""
    if cased is None and not (folder / "tokenizer_config.json").is_file():
        by = "its vocabulary" if cased_by_name(folder) is None else "the name of the folder"
        yield (
            f"Whether capitals are kept is taken from {by}; a tokenizer_config.json with "
            '{"do_lower_case": ...} says otherwise.'
        )
    if APPROXIMATE not in config:
        yield (
            'GELU is taken by the error function, as transformers computes it; "'
            f'{APPROXIMATE}": "tanh" in bert_config.json says otherwise.'
        )


@lru_cache
def _tell(text: str) -> None:
    """Say it once, however often the folder is read."""
    say(text)


def _object(values: Any, path: Path) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise DataError("not a model configuration.", path=path)
    return values
