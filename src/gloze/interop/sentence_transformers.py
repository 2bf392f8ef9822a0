"""The layout of sentence-transformers: an encoder with how its vectors are made, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from gloze.core.errors import DataError
from gloze.core.files import read_json, write_json
from gloze.nn.pooling import Pooling, TextVectors

if TYPE_CHECKING:
    from pathlib import Path

MODULES = "modules.json"
_POOLING, _NORMALIZE = "1_Pooling", "2_Normalize"
_SETTINGS, _LENGTH, _PROMPTS = "config.json", "sentence_bert_config.json", "prompts"
_NOTE = "config_sentence_transformers.json"
# As of before version 6; it reads both.
_OLD = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
}
_OLD_OTHERS = ("mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
_WHERE = "sentence_transformers.models."


def encoder_folder(folder: Path) -> Path | None:
    """Return where the encoder of such a folder lies; None if it is no such folder."""
    if not (folder / MODULES).is_file():
        return None
    modules = _modules(folder)
    kind, inner = modules[0] if modules else ("", folder)
    if kind != "Transformer":
        raise DataError("its first module is no Transformer.", path=folder / MODULES)
    return inner


def read_vectors(folder: Path) -> TextVectors | None:
    """Return how the vectors of an encoder's folder are made; None if nothing there says it.

    Raises:
        DataError: if they are made in a way that cannot be computed.
    """
    whole = next((each for each in (folder, folder.parent) if (each / MODULES).is_file()), None)
    if whole is None or encoder_folder(whole) != folder:
        return None
    path = whole / MODULES
    modules = _modules(whole)
    kinds = [kind for kind, _ in modules[1:]]
    if kinds not in (["Pooling"], ["Pooling", "Normalize"]):
        raise DataError(
            f"its vectors are made by {', '.join(kinds) or 'nothing'}; only Pooling, and Normalize "
            "after it, can be computed.",
            path=path,
            hint="Remove modules.json to use the encoder alone.",
        )
    pooling = _read_pooling(modules[1][1] / _SETTINGS)
    length, lower = _read_length(folder)
    if lower:
        raise DataError("do_lower_case cannot be done here.", path=folder / _LENGTH)
    note = _object(whole / _NOTE) if (whole / _NOTE).is_file() else {}
    prompts, default = note.get(_PROMPTS), note.get("default_prompt_name")
    is_named = isinstance(prompts, dict) and isinstance(default, str)
    prompt = dict(prompts or {}).get(default, "") if is_named else ""
    return TextVectors(pooling, "Normalize" in kinds, length, str(prompt))


def tuned_pooling(folder: Path) -> Pooling | None:
    """Return the pooling an encoder was tuned through; None if it was not, or in another way."""
    try:
        vectors = read_vectors(folder)
    except DataError:
        # Vectors that cannot be computed say nothing against the encoder.
        return None
    return None if vectors is None else vectors.pooling


def write_vectors(folder: Path, vectors: TextVectors, hidden_size: int) -> None:
    """Write beside an encoder in Hugging Face layout how its vectors are made."""
    places = {"Transformer": "", "Pooling": _POOLING, "Normalize": _NORMALIZE}
    kinds = [kind for kind in places if kind != "Normalize" or vectors.normalize]
    modules = [
        {"idx": i, "name": str(i), "path": places[kind], "type": _WHERE + kind}
        for i, kind in enumerate(kinds)
    ]
    write_json(folder / MODULES, modules)
    for kind in kinds[1:]:
        (folder / places[kind]).mkdir()
    modes = {name: mode == vectors.pooling for mode, name in _OLD.items()}
    write_json(folder / _POOLING / _SETTINGS, {"word_embedding_dimension": hidden_size, **modes})
    length = {"max_seq_length": vectors.max_length, "do_lower_case": False}
    write_json(folder / _LENGTH, length)
    named = {"default": vectors.prompt} if vectors.prompt else {}
    note = {_PROMPTS: named, "default_prompt_name": next(iter(named), None)}
    write_json(folder / _NOTE, {**note, "similarity_fn_name": "cosine"})


def _modules(folder: Path) -> list[tuple[str, Path]]:
    """Return kind and folder of each module."""
    path = folder / MODULES
    listed = read_json(path)
    try:
        found = [(str(each["type"]).rpartition(".")[2], str(each["path"])) for each in listed]
    except (TypeError, KeyError) as error:
        raise DataError("not a list of modules with type and path.", path=path) from error
    for _, inner in found:
        if not _is_inside(folder, inner):
            raise DataError(f"a module in {inner!r}, outside of the folder.", path=path)
    return [(kind, folder / inner if inner else folder) for kind, inner in found]


def _is_inside(folder: Path, inner: str) -> bool:
    """Return whether a path that a file names is one, and leads nowhere else."""
    try:
        place = (folder / inner).resolve()
        place.exists()  # which fails for a name that no file system takes
    except (ValueError, OSError, RuntimeError):
        return False
    return place.is_relative_to(folder.resolve())


def _read_pooling(path: Path) -> Pooling:
    values = _object(path)
    old = [*_OLD.items(), *((each, f"pooling_mode_{each}") for each in _OLD_OTHERS)]
    modes = values.get("pooling_mode") or [mode for mode, name in old if values.get(name)] or "mean"
    one = modes[0] if isinstance(modes, list) and len(modes) == 1 else modes
    for pooling in get_args(Pooling):
        if one == pooling and values.get("include_prompt", True):
            return pooling
    raise DataError(
        f"pooling {one!r}: only one of {', '.join(get_args(Pooling))}, prompt included, can be "
        "computed.",
        path=path,
    )


def _read_length(folder: Path) -> tuple[int | None, bool]:
    """Return the longest sequence, if there is a bound, and whether capitals go beforehand."""
    paths = (folder / _LENGTH, folder / "tokenizer_config.json")
    own, later = (_object(path) if path.is_file() else {} for path in paths)
    length = own.get("max_seq_length") or later.get("model_max_length")
    is_bound = type(length) is int and 2 < length < 1 << 20
    lower = bool(own.get("do_lower_case")) and later.get("do_lower_case") is not True
    return length if is_bound else None, lower


def _object(path: Path) -> dict[str, Any]:
    values = read_json(path)
    if not isinstance(values, dict):
        raise DataError("not a JSON object.", path=path)
    return values
