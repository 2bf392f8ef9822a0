"""Reading the files of a tokenizer made elsewhere, and those beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from tokenizers import AddedToken, normalizers

from gloze.core.errors import DataError
from gloze.tokenizers.special import SpecialTokens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_FILE_BYTES = 256 << 20


def read_text(path: Path) -> str:
    """Return the text of a file that is not too large to be of a tokenizer."""
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise DataError(f"{size} bytes are too many for a tokenizer.", path=path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 at byte {error.start}.", path=path) from error


def read_object(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds."""
    try:
        value = json.loads(read_text(path), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not valid JSON ({error}).", path=path) from error
    if not isinstance(value, dict):
        raise DataError("not a JSON object.", path=path)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def settings_beside(folder: Path) -> dict[str, Any]:
    """Return what the files beside a tokenizer say of it."""
    settings: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            settings |= read_object(folder / name)
    return settings


def added_beside(
    vocab: dict[str, int], settings: dict[str, Any], vocab_path: Path
) -> list[AddedToken]:
    """Return the tokens that a folder without ``tokenizer.json`` adds to its vocabulary.

    They are found in a text before it is cut, in small letters if its letters become small.
    """
    path = vocab_path.with_name("added_tokens.json")
    if not path.is_file():
        return []
    own = SpecialTokens().all
    listed = read_object(path)
    given = [(token, i) for token, i in listed.items() if token not in own or i != vocab.get(token)]
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


def told_normalizer(settings: dict[str, Any], *, cased: bool) -> normalizers.BertNormalizer:
    """Return what BERT's files say of accents and Chinese, and ``cased`` of capitals."""
    strip, chinese = settings.get("strip_accents"), settings.get("tokenize_chinese_chars")
    return normalizers.BertNormalizer(
        lowercase=not cased,
        strip_accents=strip if isinstance(strip, bool) else None,
        handle_chinese_chars=chinese if isinstance(chinese, bool) else True,
    )


def check_ids(vocab: Mapping[str, Any], path: Path) -> None:
    """Refuse a vocabulary whose ids are not 0 to the last, each once."""
    if not vocab:
        raise DataError("an empty vocabulary.", path=path)
    ids = vocab.values()
    if any(type(i) is not int for i in ids) or set(ids) != set(range(len(vocab))):
        raise DataError(
            f"the ids of its {len(vocab)} tokens are not 0 to {len(vocab) - 1}, each once.",
            path=path,
        )
