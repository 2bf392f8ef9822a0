"""Saving and loading, whole or not at all: training checkpoints and model folders."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gloze.core.errors import ConfigError, DataError, WriteError
from gloze.core.files import new_folder, read_json, sweep, verify_manifest, write_manifest
from gloze.core.progress import say
from gloze.encoders.transformer import TransformerEncoder
from gloze.inference.model import Model
from gloze.interop.huggingface import from_their_config, to_ours, to_their_config, to_theirs
from gloze.objectives import OBJECTIVES
from gloze.tasks.classification import NAME
from gloze.tasks.classifier import TextClassifier
from gloze.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gloze.tokenizers import Tokenizer
    from gloze.training.learner import Learner

_STATE = "state.json"
_SPARE = 1.2


class Checkpoints:
    """The checkpoints of a run: ``step-NNNNNNN`` folders with a manifest, the newest kept.

    Args:
        folder: holds the checkpoints; made when first saved to.
        keep: how many of the newest are kept.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep
        if folder.exists():
            sweep(folder)

    def save(self, step: int, tensors: dict[str, dict[str, Tensor]], state: dict[str, Any]) -> Path:
        """Save one checkpoint and then remove the oldest over the number kept.

        Raises:
            WriteError: if the disk is full or the folder cannot be written to; older
                checkpoints are untouched.
        """
        path = self.folder / f"step-{step:07d}"
        self._check_space()
        with new_folder(path, force=True) as temporary:
            for name, group in tensors.items():
                save_tensors(group, temporary / f"{name}.safetensors")
            (temporary / _STATE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
            write_manifest(temporary)
        for old in self.paths()[self.keep :]:
            shutil.rmtree(old, ignore_errors=True)
        return path

    def paths(self) -> list[Path]:
        """Return the checkpoint folders, newest first."""
        return sorted(self.folder.glob("step-*"), reverse=True)

    def latest(self) -> tuple[Path, dict[str, dict[str, Tensor]], dict[str, Any]] | None:
        """Return the newest checkpoint that is intact; say which were passed over and why.

        Raises:
            DataError: if there are checkpoints and none is intact.
        """
        reasons = []
        for path in self.paths():
            try:
                verify_manifest(path)
                tensors = {p.stem: load_tensors(p) for p in sorted(path.glob("*.safetensors"))}
                return path, tensors, read_json(path / _STATE)
            except DataError as error:
                reasons.append(str(error))
                say(f"Checkpoint passed over: {error}")
        if reasons:
            raise DataError(
                f"no checkpoint is intact: {reasons[0]}",
                path=self.folder,
                hint="Restore one from a copy, or start again with --force.",
            )
        return None

    def _check_space(self) -> None:
        paths = self.paths()
        if not paths:
            return
        needed = int(_SPARE * sum(file.stat().st_size for file in paths[0].iterdir()))
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise WriteError(
                f"Cannot save to {self.folder}: a checkpoint needs {needed:,} bytes and {free:,} are "
                "free. Older checkpoints are intact: free some space, then use --resume."
            )


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors.

    Raises:
        WriteError: if the disk is full or the place cannot be written to.
    """
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(own, path, metadata={"format": "pt"})
    except (SafetensorError, OSError) as error:
        size = sum(tensor.nbytes for tensor in own.values())
        raise WriteError(
            f"Cannot write {path} ({size:,} bytes): {error}. Free some space or choose another -o."
        ) from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read safetensors.

    Raises:
        DataError: if the file is absent, cut or not safetensors.
    """
    if not path.is_file():
        raise DataError("no such file.", path=path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"not readable as safetensors: {error}.", path=path) from error


@dataclass(frozen=True)
class Parts:
    """What a model folder holds.

    Attributes:
        encoder: with the folder's weights.
        tokenizer: of the folder.
        tensors: every weight of the folder under our names.
        config: ``config.json`` as it stands.
        unknown: names of weights that have no place with us.
    """

    encoder: TransformerEncoder
    tokenizer: Tokenizer
    tensors: dict[str, Tensor]
    config: dict[str, Any]
    unknown: list[str]

    def load_head(self, name: str, head: nn.Module) -> bool:
        """Fill a head with the folder's weights; return False if it has none for it.

        Raises:
            DataError: if they do not fit.
        """
        prefix = f"heads.{name}."
        own = {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}
        if not own:
            return False
        _load(head, own, f"the {name} head")
        return True


def save_model(
    folder: Path,
    learner: Learner,
    tokenizer: Tokenizer,
    *,
    card: str,
    extra: dict[str, Any] | None = None,
    force: bool = False,
) -> None:
    """Write a model folder in Hugging Face layout.

    Args:
        learner: its encoder must be a Transformer.
        card: text of ``README.md``.
        extra: further entries of ``config.json``, such as ``id2label``.

    Raises:
        WriteError: if the disk is full or the place cannot be written to.
    """
    encoder = learner.encoder
    assert isinstance(encoder, TransformerEncoder)
    config = to_their_config(
        encoder.config, encoder.vocab_size, tokenizer.pad_id, set(learner.heads)
    )
    with new_folder(folder, force=force) as temporary:
        save_tensors(to_theirs(dict(learner.state_dict())), temporary / "model.safetensors")
        text = json.dumps({**config, **(extra or {})}, indent=2, ensure_ascii=False)
        (temporary / "config.json").write_text(text + "\n", encoding="utf-8")
        tokenizer.save(temporary, max_length=encoder.config.max_position_embeddings)
        (temporary / "README.md").write_text(card, encoding="utf-8")
        write_manifest(temporary)


def load_parts(path: str | Path) -> Parts:
    """Read a model folder of ours or of Hugging Face, or a model from a hub by its name.

    Raises:
        ConfigError: if there is no such folder, and no hub model of that name can be had.
        DataError: if a file is missing, broken, or does not fit the others.
    """
    folder = find_model(path)
    if (folder / "manifest.json").exists():
        verify_manifest(folder)
    config = read_json(folder / "config.json")
    if not isinstance(config, dict):
        raise DataError("not a model configuration.", path=folder / "config.json")
    sizes, vocab_size = from_their_config(config, folder / "config.json")
    weights = folder / "model.safetensors"
    tensors, unknown = to_ours(load_tensors(weights))
    tokenizer = load_tokenizer(folder)
    table = tensors.get("encoder.embeddings.token_embeddings.weight")
    # Compared before memory is taken: a false size in config.json must not cost gigabytes.
    if table is None or tuple(table.shape) != (vocab_size, sizes.hidden_size):
        shape = None if table is None else tuple(table.shape)
        raise DataError(
            f"token embeddings of shape {shape}, and config.json says "
            f"{(vocab_size, sizes.hidden_size)}.",
            path=weights,
        )
    if tokenizer.vocab_size > vocab_size:
        raise DataError(
            f"the tokenizer has {tokenizer.vocab_size} entries and the model {vocab_size}.",
            path=folder,
        )
    layers = {name.split(".")[2] for name in tensors if name.startswith("encoder.layers.")}
    if len(layers) != sizes.num_hidden_layers:
        raise DataError(
            f"{len(layers)} layers, and config.json says {sizes.num_hidden_layers}.", path=weights
        )
    encoder = TransformerEncoder(sizes, vocab_size)
    prefix = "encoder."
    own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    _load(encoder, own, str(weights), may_lack=("pooler.",))
    return Parts(encoder, tokenizer, tensors, config, unknown)


def load(path: str | Path) -> Model:
    """Load a model for use: a folder of ours, a BERT in Hugging Face layout, or a hub name.

    Also takes a run folder, whose model it loads.

    Raises:
        ConfigError: if there is no such folder, and no hub model of that name can be had.
        DataError: if a file is missing, broken, or does not fit the others.
    """
    parts = load_parts(path)
    heads: dict[str, nn.Module] = {}
    for name, config in OBJECTIVES.items():
        head = config().build(parts.encoder, parts.tokenizer).head
        if parts.load_head(name, head):
            heads[name] = head
    return Model(parts.encoder, parts.tokenizer, heads)


def load_classifier(path: str | Path) -> TextClassifier:
    """Load a fine-tuned classifier: ours, or one in Hugging Face layout.

    Raises:
        ConfigError: if there is no such folder, and no hub model of that name can be had.
        DataError: if it is no classifier, or a file is missing, broken, or does not fit.
    """
    parts = load_parts(path)
    where = find_model(path) / "config.json"
    weights, labels = parts.tensors.get(f"heads.{NAME}.output.weight"), parts.config.get("id2label")
    if weights is None:
        raise DataError("not a classifier: it has no weights of a classifier.", path=where.parent)
    # Compared before memory is taken for as many labels as config.json claims.
    if isinstance(labels, dict) and len(labels) != len(weights):
        raise DataError(f"{len(labels)} labels, and weights for {len(weights)}.", path=where)
    classifier = TextClassifier.from_config(parts.encoder, parts.tokenizer, parts.config, where)
    parts.load_head(NAME, classifier.head)
    return classifier


def find_model(path: str | Path) -> Path:
    """Return the model folder that a path, a run folder or a hub name stands for.

    Raises:
        ConfigError: if there is none.
    """
    folder = Path(path)
    for candidate in (folder, folder / "model"):
        if (candidate / "config.json").is_file():
            return candidate
    if folder.exists() or len(folder.parts) > 2 or folder.is_absolute():
        raise ConfigError(f"{path} holds no model: there is no config.json in it.")
    try:
        from huggingface_hub import snapshot_download

        patterns = ["config.json", "model.safetensors", "*token*.json", "vocab.txt"]
        return Path(snapshot_download(str(path), allow_patterns=patterns))
    except (ImportError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"{path}: no such folder, and no hub model of that name can be had ({reason})"
        ) from error


def _load(
    module: nn.Module, tensors: dict[str, Tensor], where: str, may_lack: tuple[str, ...] = ()
) -> None:
    own = module.state_dict()
    missing = [n for n in own if n not in tensors and not n.startswith(may_lack or "\0")]
    if missing:
        raise DataError(f"weights are missing: {', '.join(missing[:5])}.", path=where)
    for name, tensor in tensors.items():
        if name not in own or own[name].shape != tensor.shape:
            wanted = tuple(own[name].shape) if name in own else "none"
            raise DataError(
                f"{name} has shape {tuple(tensor.shape)}, expected {wanted}.", path=where
            )
    floats = {name: tensor.to(torch.float32) for name, tensor in tensors.items()}
    module.load_state_dict(floats, strict=False)


__all__ = ["Checkpoints", "Parts", "load", "load_classifier", "load_parts", "save_model"]
