"""Model folders, in the layout of Hugging Face: saved, and loaded from wherever they come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gloze.checkpoint.find import (
    CONFIG,
    WEIGHTS,
    config_of,
    find_any,
    find_model,
    is_elmo,
    is_static,
)
from gloze.checkpoint.loaded import AnyParts, Parts, fill_weights
from gloze.checkpoint.own import (
    OwnModel,
    is_own,
    load_own,
    own_config,
    refuse_language_models,
)
from gloze.checkpoint.sizes import check_sizes
from gloze.checkpoint.sources import read_weights
from gloze.checkpoint.static import read_static, write_static
from gloze.checkpoint.store import save_tensors
from gloze.core.devices import pick_device
from gloze.core.errors import ConfigError, DataError
from gloze.core.files import new_folder
from gloze.core.manifest import verify_manifest, write_manifest
from gloze.core.ranks import ranks
from gloze.encoders.kinds import AnyEncoder
from gloze.encoders.transformer import TransformerEncoder
from gloze.interop.architectures import architecture_for, architecture_of
from gloze.tasks.model import TaskModel, build_head, read_task
from gloze.tokenizers import load_tokenizer
from gloze.training.distributed import whole_weights

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import Tensor

    from gloze.checkpoint.own import OwnEncoder
    from gloze.core.devices import Precision
    from gloze.tokenizers import Tokenizer
    from gloze.training.learner import Learner
    from gloze.vectors.table import WordVectors


def load_trained(path: str | Path) -> Parts | OwnModel:
    """Read a model folder, a run, or a model by its name, with an encoder of any kind.

    Raises:
        ConfigError: if there is none.
        DataError: if a file is missing, broken, or does not fit the others.
    """
    return load_own(path) or _load_published(find_model(path))


def load_transformer(path: str | Path, *, cased: bool | None = None) -> Parts:
    """Read a model folder, a run, or a model by its name, with a Transformer of any direction.

    Args:
        path: a folder, a run, or a name, see :func:`gloze.checkpoint.find.find_model`.
        cased: whether a ``vocab.txt`` keeps capitals; as the files beside it say if None.

    Raises:
        ConfigError: if there is none, or it is a language model of another kind.
        DataError: if a file is missing, broken, or does not fit the others.
    """
    folder = find_model(path)
    refuse_language_models(folder, but_transformers=True)
    own = load_own(folder, cased=cased)
    return _load_published(folder, cased=cased) if own is None else cast("Parts", own)


def save_model(
    folder: Path,
    learner: Learner,
    tokenizer: Tokenizer,
    *,
    card: str,
    extra: dict[str, Any] | None = None,
    vectors: WordVectors | None = None,
    force: bool = False,
) -> None:
    """Write a model folder, in Hugging Face layout where that knows the encoder.

    Where processes have shared out the weights all must call; the first one writes.

    Args:
        folder: to write.
        learner: with an encoder of any kind.
        tokenizer: goes into the folder too.
        card: text of ``README.md``.
        extra: further entries of ``config.json``, such as ``id2label``.
        vectors: what a table of word vectors began as.
        force: replace ``folder`` if it exists.

    Raises:
        WriteError: if the disk is full or the place cannot be written to.
    """
    encoder, config = learner.encoder, {}
    weights = whole_weights(learner)
    if vectors is None:
        config = model_config(cast("OwnEncoder", encoder), tokenizer, weights)
    config |= extra or {}
    if not ranks().is_first:
        return
    with new_folder(folder, force=force) as temporary:
        if vectors is None:
            write_model(temporary, weights, config, tokenizer, card)
        else:
            write_static(temporary, weights, vectors, config, card)
        write_manifest(temporary)


def model_config(
    encoder: OwnEncoder, tokenizer: Tokenizer, names: Collection[str]
) -> dict[str, Any]:
    """Return what ``config.json`` holds: in Hugging Face layout where one fits, else in ours.

    Args:
        encoder: of the model.
        tokenizer: of the model.
        names: of all weights.
    """
    if isinstance(encoder, TransformerEncoder):
        architecture = architecture_for(encoder.config, names)
        if architecture is not None:
            return architecture.to_config(encoder.config, encoder.vocab_size, tokenizer, names)
    return own_config(encoder)


def write_model(
    folder: Path,
    tensors: dict[str, Tensor],
    config: dict[str, Any],
    tokenizer: Tokenizer,
    card: str,
) -> None:
    """Write the files of a model, in Hugging Face layout unless ``config`` is of one of ours.

    Args:
        folder: an empty one.
        tensors: under our names.
        config: what ``config.json`` is to hold.
        tokenizer: goes into the folder too.
        card: text of ``README.md``.
    """
    if not is_own(config):
        tensors = architecture_of(config, folder / CONFIG).to_theirs(tensors)
    save_tensors(tensors, folder / WEIGHTS)
    text = json.dumps(config, indent=2, ensure_ascii=False)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    tokenizer.save(folder, max_length=config.get("max_position_embeddings"))
    (folder / "README.md").write_text(card, encoding="utf-8")


def load_parts(path: str | Path, *, cased: bool | None = None) -> Parts:
    """Read a model folder: ours, of Hugging Face or of Google; or a model from a hub by its name.

    Args:
        path: a folder, a run, or a name, see :func:`gloze.checkpoint.find.find_model`.
        cased: whether a ``vocab.txt`` keeps capitals; as the files beside it say if None.

    Raises:
        ConfigError: if there is no such folder, and no hub model of that name can be had; or if
            it is a language model, which sees one side alone.
        DataError: if a file is missing, broken, or does not fit the others.
    """
    folder = find_model(path)
    refuse_language_models(folder)
    return load_transformer(folder, cased=cased)


def _load_published(folder: Path, *, cased: bool | None = None) -> Parts:
    """Read a folder of Hugging Face or of Google."""
    if (folder / "manifest.json").exists():
        verify_manifest(folder)
    found, where = read_weights(folder, cased=cased), config_of(folder)
    sizes, vocab_size = architecture_of(found.config, where).from_config(found.config, where)
    tokenizer = load_tokenizer(folder, cased=cased)
    check_sizes(sizes, vocab_size, tokenizer, found)
    encoder = TransformerEncoder(sizes, vocab_size)
    prefix = "encoder."
    own = {k.removeprefix(prefix): v for k, v in found.tensors.items() if k.startswith(prefix)}
    fill_weights(encoder, own, str(found.path), may_lack=("pooler.",))
    return Parts(encoder, tokenizer, found.tensors, found.config, found.unknown)


def load_any_parts(path: str | Path) -> AnyParts:
    """Read a model that a task is learned on: an encoder of either direction, or word vectors.

    These are a folder of ours, also with the head of a task, or a file of word2vec or GloVe.

    Raises:
        ConfigError: if there is no such folder or file, and no hub model of that name.
        DataError: if a file is missing, broken, or does not fit the others.
    """
    found = find_any(path)
    if is_static(found):
        return read_static(found)
    if is_elmo(found):
        raise ConfigError(
            f"{found} holds an ELMo without a vocabulary, and the examples of a task are read by "
            "the ids of words. gloze encode writes its vectors of words, for other software to "
            "learn on; gloze pretrain elmo-small makes a model with a vocabulary."
        )
    own = load_own(found)
    if own is not None and isinstance(own.encoder, AnyEncoder):
        return cast("AnyParts", own)
    return load_transformer(path)


def load_task(
    path: str | Path, *, precision: Precision | None = None, device: str = "cpu"
) -> TaskModel:
    """Load a fine-tuned model with its task: ours, or one in Hugging Face layout.

    A table of word vectors stays in float32.

    Args:
        path: also a run folder, whose model it loads: of several seeds the best.
        precision: lays the weights out for answering: ``float32``; ``bfloat16``, several times
            as fast on processors with units for it; ``auto``, which is bf16 where the hardware
            is fast at it. If not given they stay as they are, in float32.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``, the fastest there is.

    Raises:
        ConfigError: if there is no such folder, and no hub model of that name can be had.
        DataError: if it is of no task we know, or a file is missing, broken, or does not fit.
    """
    parts = load_any_parts(path)
    where = config_of(find_any(path))
    most = min(512, parts.encoder.config.max_position_embeddings)
    task, learned, readout = read_task(parts.config, most, where)
    weights = parts.tensors.get(f"heads.{task.kind}.output.weight")
    if weights is None:
        raise DataError(f"no weights of a head for {task.kind}.", path=where.parent)
    # Compared before memory is taken for as many labels as config.json claims.
    if len(weights) != (width := task.width(learned)):
        raise DataError(f"{width} scores, and weights for {len(weights)}.", path=where)
    try:
        head = build_head(parts.encoder, task, learned, readout).head
    except ConfigError as error:
        raise DataError(str(error), path=where) from None
    parts.load_head(task.kind, head)
    model = TaskModel(parts.encoder, head, parts.tokenizer, task, learned, readout)
    where_to = pick_device(device)
    return model.to(where_to) if precision is None else model.laid_out(where_to, precision)
