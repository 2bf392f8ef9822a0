"""Which tokens of a vocabulary made elsewhere are its special ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gloze.core.errors import DataError
from gloze.tokenizers.special import SpecialTokens

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from pathlib import Path

_KNOWN_NAMES = (SpecialTokens(), SpecialTokens("<pad>", "<unk>", "<s>", "</s>", "<mask>"))
_ROLES = tuple(SpecialTokens().by_role)
_END_OF_TEXT = "<|endoftext|>"
# Where a model that reads from left to right names no such token, this one serves.
_SUBSTITUTES = {"pad": "eos", "unk": "unk", "cls": "bos", "sep": "eos"}


def special_tokens(
    vocab: Mapping[str, int], settings: Mapping[str, Any], path: Path, *, of_bpe: bool = False
) -> SpecialTokens:
    """Return the special tokens, or say which of them the vocabulary lacks.

    Args:
        vocab: token to id.
        settings: what the files beside it say of it.
        path: of the vocabulary.
        of_bpe: byte pairs may be GPT's, which has the unknown token alone, or GPT-2's, whose
            ``<|endoftext|>`` is all but a blank.

    Raises:
        DataError: if one is missing.
    """
    named = {role: name_of(settings.get(f"{role}_token")) for role in _ROLES}
    complete = [names for names in _KNOWN_NAMES if set(names.all) <= vocab.keys()]
    if of_bpe and not complete:
        usual = {role: _substitute(role, vocab, settings) for role in _ROLES}
    else:
        usual = (complete or _KNOWN_NAMES)[0].by_role
    chosen = {role: named[role] or usual[role] for role in _ROLES}
    missing = [
        f"{token} ({role})" for role, token in chosen.items() if token and token not in vocab
    ]
    if missing or not chosen["unk"]:
        raise DataError(
            f"the vocabulary has no {', '.join(missing) or '<unk> (unk)'}.",
            path=path,
            hint="Name other special tokens in tokenizer_config.json, as mask_token and so on.",
        )
    return SpecialTokens(**chosen)


def _substitute(role: str, vocab: Container[str], settings: Mapping[str, Any]) -> str:
    """Return the token that serves for a role; nothing if none does."""
    if role not in _SUBSTITUTES:
        return ""
    named = name_of(settings.get(f"{_SUBSTITUTES[role]}_token"))
    unknown = [names.unk for names in _KNOWN_NAMES] if role == "unk" else []
    return next((t for t in (named, *unknown, _END_OF_TEXT) if t and t in vocab), "")


def name_of(value: object) -> str | None:
    """Return the text of a special token, which settings give alone or with what it does."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None
