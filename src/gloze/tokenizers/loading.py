"""Loading tokenizers made elsewhere, without trusting them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gloze.core.errors import ConfigError, DataError
from gloze.tokenizers.library import library_errors
from gloze.tokenizers.merges import VOCAB, load_merges
from gloze.tokenizers.reading import (
    added_beside,
    check_ids,
    read_object,
    read_text,
    settings_beside,
    told_normalizer,
)
from gloze.tokenizers.roles import special_tokens
from gloze.tokenizers.segmenters import Segmenter, load_segmenter
from gloze.tokenizers.tokenizer import Tokenizer
from gloze.tokenizers.wordpiece import bert_tokenizer

MAX_WORD_CHARACTERS = 200  # the library's time grows with the square of it


def load_tokenizer(path: str | Path, *, cased: bool | None = None) -> Tokenizer:
    """Load a tokenizer folder, a ``tokenizer.json``, or Google's ``vocab.txt`` as it is.

    A ``vocab.json`` with a ``merges.txt`` beside it, as GPT and GPT-2 have, is one as well.

    Padding, truncation and dropout that the file asks for are left out. Whether a ``vocab.txt``
    keeps capitals is read from the ``tokenizer_config.json`` beside it, else from the folder's name
    if that is one of Google's, else from its tokens, unless ``cased`` says it.

    Raises:
        DataError: if there is no such file, or it is broken or hostile.
        ConfigError: if ``cased`` is given for a ``tokenizer.json``, which says it itself.
    """
    path = Path(path)
    file = _find(path)
    if file.suffix == ".json":
        if cased is not None:
            raise ConfigError(
                f"{file} says itself whether capitals are kept: leave that choice out."
            )
        return load_merges(file) if file.name == VOCAB else _load_json(file)
    return _load_vocab(file, cased)


def _find(path: Path) -> Path:
    if not path.is_dir():
        if not path.is_file():
            raise DataError(
                "no such tokenizer.", path=path, hint="Make one with `gloze tokenizer`, or give "
                "a folder with tokenizer.json, vocab.txt, or vocab.json and merges.txt, or one of "
                "these files."
            )  # fmt: skip
        return path
    for name in ("tokenizer.json", "vocab.txt", VOCAB):
        if (path / name).is_file():
            return path / name
    raise DataError("no tokenizer.json or vocab.txt in this folder, nor vocab.json.", path=path)


def _load_vocab(path: Path, cased: bool | None) -> Tokenizer:
    lines = read_text(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    vocab: dict[str, int] = {}
    for number, line in enumerate(lines):
        token = line.removesuffix("\r")
        if not token:
            raise DataError("an empty line in a vocabulary.", path=path, line=number + 1)
        if token in vocab:
            raise DataError(
                f"{token!r} is here twice, first in line {vocab[token] + 1}.",
                path=path,
                line=number + 1,
            )
        vocab[token] = number
    if not vocab:
        raise DataError("an empty vocabulary.", path=path)
    special_tokens(vocab, {}, path)
    settings = settings_beside(path.parent)
    if cased is None and isinstance(settings.get("do_lower_case"), bool):
        cased = not settings["do_lower_case"]
    if cased is None:
        cased = cased_by_name(path.parent)
    if cased is None:
        words = (token.removeprefix("##") for token in vocab)
        cased = any(word.isalpha() and word != word.lower() for word in words)
    normalizer = told_normalizer(settings, cased=cased)
    with library_errors("not a usable vocabulary", path):
        return bert_tokenizer(vocab, normalizer, added_beside(vocab, settings, path))


def cased_by_name(folder: Path) -> bool | None:
    """Return whether a folder named as Google names them keeps capitals; None if it does not say.

    Google's code knows a model's letters by its name alone: ``uncased_L-12_H-768_A-12``,
    ``multi_cased_...``; those called Chinese or multilingual lose their capitals.
    """
    words = re.split(r"[-_.]", folder.resolve().name.lower())
    if "cased" in words:
        return True
    return False if {"uncased", "chinese", "multilingual"} & set(words) else None


def _load_json(path: Path) -> Tokenizer:
    definition, settings = read_object(path), settings_beside(path.parent)
    vocab, model = _check(definition, path), definition["model"]
    if model.get("dropout"):
        model["dropout"] = None
    special = special_tokens(vocab, settings, path, of_bpe=model.get("type") == "BPE")
    segmenter = _segmenter(settings, path)
    with library_errors("not a usable tokenizer", path):
        tokenizer = Tokenizer(definition, special, segmenter)
    try:
        tokenizer.encode(["A trial: caf\u00e9, \u4e2d\u6587."])
    except DataError as error:
        raise DataError(f"not a usable tokenizer: {error.reason}", path=path) from error
    for token, number in vocab.items():
        if tokenizer.token_id(token) != number:
            raise DataError(f"the id of {token!r} is not {number} once loaded.", path=path)
    return tokenizer


def _segmenter(settings: dict[str, Any], path: Path) -> Segmenter | None:
    """Return what parts words; a folder from elsewhere must not name code to run."""
    name = settings.get("segmenter")
    if name not in (None, "jieba"):
        raise DataError(f"parts words by {name!r}; only jieba is known.", path=path)
    return load_segmenter(name)


def _check(definition: dict[str, Any], path: Path) -> dict[str, int]:
    """Return token to id after checking all that could hurt when used."""
    model = definition.get("model")
    if not isinstance(model, dict):
        raise DataError("not a tokenizer: it has no model.", path=path)
    vocab = model.get("vocab")
    if isinstance(vocab, list):  # unigram: [token, score] in the order of ids
        pairs = [entry[0] for entry in vocab if isinstance(entry, list) and entry]
        vocab = {token: i for i, token in enumerate(pairs) if isinstance(token, str)}
    if not isinstance(vocab, dict) or not vocab:
        raise DataError("not a tokenizer: its vocabulary is empty or absent.", path=path)
    limit = model.get("max_input_chars_per_word", 100)
    if type(limit) is not int or not 0 < limit <= MAX_WORD_CHARACTERS:
        raise DataError(
            f"max_input_chars_per_word is {limit}.",
            path=path,
            hint=f"1 to {MAX_WORD_CHARACTERS} is safe.",
        )
    vocab = {**vocab, **_added(definition, path)}
    unknown = model.get("unk_token")
    if unknown is not None and (not isinstance(unknown, str) or unknown not in vocab):
        raise DataError(f"its unknown token {unknown!r} is not in its vocabulary.", path=path)
    check_ids(vocab, path)
    return vocab


def _added(definition: dict[str, Any], path: Path) -> dict[str, int]:
    added = definition.get("added_tokens") or []
    result: dict[str, int] = {}
    for entry in added if isinstance(added, list) else [added]:
        content = entry.get("content") if isinstance(entry, dict) else None
        if not isinstance(content, str) or not content or "id" not in entry:
            raise DataError("an added token without text or id.", path=path)
        entry.setdefault("special", False)
        result[content] = entry["id"]
    return result
