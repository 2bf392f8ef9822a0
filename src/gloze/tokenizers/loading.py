"""Loading tokenizers made elsewhere, without trusting them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NoReturn

from tokenizers import AddedToken, normalizers

from gloze.core.errors import ConfigError, DataError
from gloze.tokenizers.library import library_errors
from gloze.tokenizers.segmenters import Segmenter, load_segmenter
from gloze.tokenizers.tokenizer import SpecialTokens, Tokenizer
from gloze.tokenizers.wordpiece import bert_tokenizer

MAX_FILE_BYTES = 256 << 20
MAX_WORD_CHARACTERS = 200  # the library's time grows with the square of it
_ROLES = ("pad", "unk", "cls", "sep", "mask")
_KNOWN_NAMES = (SpecialTokens(), SpecialTokens("<pad>", "<unk>", "<s>", "</s>", "<mask>"))


def load_tokenizer(path: str | Path, *, cased: bool | None = None) -> Tokenizer:
    """Load a tokenizer folder, a ``tokenizer.json``, or Google's ``vocab.txt`` as it is.

    Padding and truncation that the file asks for are dropped. Whether a ``vocab.txt`` keeps
    capitals is read from the ``tokenizer_config.json`` beside it, else from the folder's name if
    that is one of Google's, else from its tokens, unless ``cased`` says it.

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
        return _load_json(file)
    return _load_vocab(file, cased)


def _find(path: Path) -> Path:
    if not path.is_dir():
        if not path.is_file():
            raise DataError(
                "no such tokenizer.", path=path, hint="Make one with `gloze tokenizer`, or give "
                "a folder with tokenizer.json or vocab.txt, or one of these files."
            )  # fmt: skip
        return path
    for name in ("tokenizer.json", "vocab.txt"):
        if (path / name).is_file():
            return path / name
    raise DataError("no tokenizer.json or vocab.txt in this folder.", path=path)


def _read(path: Path) -> str:
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise DataError(f"{size} bytes are too many for a tokenizer.", path=path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 at byte {error.start}.", path=path) from error


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_read(path), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not valid JSON ({error}).", path=path) from error
    if not isinstance(value, dict):
        raise DataError("not a JSON object.", path=path)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _settings(folder: Path) -> dict[str, Any]:
    """Return what the files beside a tokenizer say of it."""
    settings: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            settings |= _read_object(folder / name)
    return settings


def _load_vocab(path: Path, cased: bool | None) -> Tokenizer:
    lines = _read(path).split("\n")
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
    _special_tokens(vocab, {}, path)
    settings = _settings(path.parent)
    if cased is None and isinstance(settings.get("do_lower_case"), bool):
        cased = not settings["do_lower_case"]
    if cased is None:
        cased = cased_by_name(path.parent)
    if cased is None:
        words = (token.removeprefix("##") for token in vocab)
        cased = any(word.isalpha() and word != word.lower() for word in words)
    strip, chinese = settings.get("strip_accents"), settings.get("tokenize_chinese_chars")
    normalizer = normalizers.BertNormalizer(
        lowercase=not cased,
        strip_accents=strip if isinstance(strip, bool) else None,
        handle_chinese_chars=chinese if isinstance(chinese, bool) else True,
    )
    with library_errors("not a usable vocabulary", path):
        return bert_tokenizer(vocab, normalizer, _added_beside(vocab, settings, path))


def _added_beside(
    vocab: dict[str, int], settings: dict[str, Any], vocab_path: Path
) -> list[AddedToken]:
    """Return the tokens that a folder without ``tokenizer.json`` adds to its ``vocab.txt``.

    They are found in a text before it is cut, in small letters if its letters become small.
    """
    path = vocab_path.with_name("added_tokens.json")
    if not path.is_file():
        return []
    own = SpecialTokens().all
    listed = _read_object(path)
    given = [(token, i) for token, i in listed.items() if token not in own or i != vocab[token]]
    given.sort(key=lambda pair: pair[1] if type(pair[1]) is int else -1)
    for expected, (token, number) in enumerate(given, len(vocab)):
        if not token:
            raise DataError("an added token without text.", path=path)
        if token in vocab:
            raise DataError(f"{token!r} is in {vocab_path.name} already.", path=path)
        if type(number) is not int or number != expected:
            raise DataError(
                f"{token!r} has the id {number!r}, expected {expected}: added tokens are numbered "
                f"on after the {len(vocab)} of {vocab_path.name}.",
                path=path,
            )
    flags = _added_flags(settings)
    return [AddedToken(token, **flags.get(token, {"normalized": True})) for token, _ in given]


def _added_flags(settings: dict[str, Any]) -> dict[str, dict[str, bool]]:
    """Return how each added token is found, where ``tokenizer_config.json`` says it."""
    told = settings.get("added_tokens_decoder")
    entries = told.values() if isinstance(told, dict) else ()
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return {
        entry["content"]: {name: entry.get(name) is True for name in names}
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("content"), str)
    }


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
    definition = _read_object(path)
    vocab = _check(definition, path)
    special = _special_tokens(vocab, _settings(path.parent), path)
    segmenter = _segmenter(_settings(path.parent), path)
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
    ids = vocab.values()
    if any(type(i) is not int for i in ids) or set(ids) != set(range(len(vocab))):
        raise DataError(
            f"the ids of its {len(vocab)} tokens are not 0 to {len(vocab) - 1}, each once.",
            path=path,
        )
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


def _special_tokens(vocab: dict[str, int], settings: dict[str, Any], path: Path) -> SpecialTokens:
    """Return the five special tokens, or say which of them the vocabulary lacks."""
    named = {role: _name(settings.get(f"{role}_token")) for role in _ROLES}
    known = next(
        (names for names in _KNOWN_NAMES if set(names.all) <= vocab.keys()), _KNOWN_NAMES[0]
    )
    usual = dict(zip(_ROLES, known.all, strict=True))
    chosen = {role: named[role] or usual[role] for role in _ROLES}
    missing = [f"{token} ({role})" for role, token in chosen.items() if token not in vocab]
    if missing:
        raise DataError(
            f"the vocabulary has no {', '.join(missing)}.",
            path=path,
            hint="Name other special tokens in tokenizer_config.json, as mask_token and so on.",
        )
    return SpecialTokens(**chosen)


def _name(value: object) -> str | None:
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None
