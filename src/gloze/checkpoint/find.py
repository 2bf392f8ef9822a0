"""Where a model is: a folder, a run, or a hub under one of its names."""

from __future__ import annotations

from pathlib import Path

from gloze.config.runs import FOLDS, SEEDS
from gloze.core.errors import ConfigError, nearest
from gloze.core.files import folders_named
from gloze.interop.elmo import find_options
from gloze.interop.google_bert import CONFIG as GOOGLE_CONFIG
from gloze.interop.google_bert import HUB_NAMES
from gloze.interop.sentence_transformers import encoder_folder
from gloze.interop.vector_tables import find_vectors
from gloze.tasks.results import saved_best_seed
from gloze.vectors.folder import is_vectors

CONFIG = "config.json"
WEIGHTS, PICKLED = "model.safetensors", "pytorch_model.bin"
_PATTERNS = (CONFIG, WEIGHTS, "modules.json", "1_Pooling/config.json")
# The tokenizer's, and those of sentence-transformers.
_MORE = ("*token*.json", "vocab.txt", "vocab.json", "merges.txt", "*sentence_*.json")


def find_model(path: str | Path) -> Path:
    """Return the model folder that a path, a run folder or a name stands for.

    A name is one of a hub, or one that Google's models go by, like ``bert-mini`` or
    ``uncased_L-4_H-256_A-4``; a folder of that name goes before.

    Raises:
        ConfigError: if there is none, or one for each fold of a cross-validation, or if it holds
            word vectors.
        DataError: if it is a folder of sentence-transformers without an encoder.
    """
    found = _find(path)
    if is_static(found):
        what = "is a file, and" if found.is_file() else "holds word vectors, and"
        raise ConfigError(
            f"{path} {what} an encoder is needed here. Word vectors go with gloze vectors, "
            "finetune, encode, neighbors, --init-embeddings, and gloze.load."
        )
    return found


def is_static(found: Path) -> bool:
    """Return whether what :func:`find_any` found are word vectors: a file, or a folder of ours."""
    return found.is_file() or is_vectors(found)


def find_any(path: str | Path) -> Path:
    """Return what a path or a name stands for, as :func:`find_model` does, or word vectors.

    These are a folder of ours, those that lie beside the model of a run, or a file of word2vec or
    GloVe, which is not looked into.

    Raises:
        ConfigError: if there is none, or one for each fold of a cross-validation.
        DataError: if it is a folder of sentence-transformers without an encoder.
    """
    return find_vectors(path) or _find(path)


def _find(path: str | Path) -> Path:
    folder = Path(path)
    if folder.is_file():
        return folder
    of_seed = folder / f"seed-{saved_best_seed(folder)}" / "model"
    for candidate in (folder, folder / "model", of_seed):
        inner = encoder_folder(candidate) or candidate
        if config_of(inner).is_file():
            return inner
    _refuse_folds(folder)
    if folder.exists() or len(folder.parts) > 2 or folder.is_absolute():
        raise ConfigError(f"{path} holds no model: there is no {CONFIG} or {GOOGLE_CONFIG} in it.")
    return _fetch(str(path))


def models_of(run: Path) -> dict[str, Path]:
    """Return the model folders of a run by seed; of a run with one seed or a model, by ``-``.

    Raises:
        ConfigError: if there is none, or one for each fold of a cross-validation.
    """
    for folder in (run, run / "model"):
        if config_of(folder).is_file():
            return {"-": folder}
    found = {
        path.name.removeprefix("seed-"): path / "model"
        for path in folders_named(run, SEEDS)
        if config_of(path / "model").is_file()
    }
    if not found:
        _refuse_folds(run)
        missing = "" if run.exists() else " (no such folder)"
        raise ConfigError(f"{run}{missing} holds no model: give a run folder or a model folder.")
    return dict(sorted(found.items(), key=lambda item: int(item[0])))


def _refuse_folds(run: Path) -> None:
    """Refuse a cross-validation, each of whose models has not seen a part of the examples."""
    folds = folders_named(run, FOLDS)
    if model := next((fold / "model" for fold in folds if (fold / "model").is_dir()), None):
        raise ConfigError(
            f"{run} is a cross-validation, which has no model of all examples: name a fold, such "
            f"as {model.parent}."
        )


def config_of(folder: Path) -> Path:
    """Return the file that states the sizes of a model: Google's, or ELMo's, if no other does."""
    if not (own := folder / CONFIG).is_file():
        google = folder / GOOGLE_CONFIG
        return google if google.is_file() else (find_options(folder) or own)
    return own


def is_elmo(folder: Path) -> bool:
    """Return whether a folder holds an ELMo as published."""
    return config_of(folder) == find_options(folder)


def _fetch(name: str) -> Path:
    repository = HUB_NAMES.get(name, name)
    said = name if repository == name else f"{name} ({repository})"
    try:
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(repository, allow_patterns=[*_PATTERNS, *_MORE]))
        # Many are published twice: what needs no unpickling goes before.
        if not (folder / WEIGHTS).is_file():
            folder = Path(snapshot_download(repository, allow_patterns=[PICKLED]))
    except (ImportError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"{said}: no such folder, and no hub model of that name can be had ({reason}) "
            f"{nearest(name, HUB_NAMES)}".rstrip()
        ) from error
    return folder
