"""Loading ``vocab.json`` with ``merges.txt``: the files of GPT and of GPT-2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken

from gloze.core.errors import DataError
from gloze.tokenizers.bpe import END, bpe_tokenizer
from gloze.tokenizers.byte_words import BYTE_LETTERS
from gloze.tokenizers.library import library_errors
from gloze.tokenizers.reading import (
    added_beside,
    check_ids,
    read_object,
    read_text,
    settings_beside,
    told_normalizer,
)
from gloze.tokenizers.roles import special_tokens

if TYPE_CHECKING:
    from pathlib import Path

    from gloze.tokenizers.bpe import Merges
    from gloze.tokenizers.tokenizer import Tokenizer

VOCAB, MERGES = "vocab.json", "merges.txt"
_OF_LETTERS = ("OpenAIGPTTokenizer", "OpenAIGPTTokenizerFast")
_OF_BYTES = ("GPT2Tokenizer", "GPT2TokenizerFast", "RobertaTokenizer", "RobertaTokenizerFast")
_OF_ANY = (None, "PreTrainedTokenizerFast", "TokenizersBackend")


def load_merges(path: Path) -> Tokenizer:
    """Load a ``vocab.json`` and the ``merges.txt`` beside it.

    Tokens of GPT end with ``</w>`` where a word ends; those of GPT-2 are written in the letters
    of bytes.

    Raises:
        DataError: if one of the files is absent or broken, or the tokenizer is another's.
    """
    vocab, merges = read_object(path), path.with_name(MERGES)
    check_ids(vocab, path)
    if not merges.is_file():
        raise DataError("no merges.txt beside it, which says what is joined.", path=path)
    pairs = _pairs(merges, vocab)
    settings = settings_beside(path.parent)
    by_letters = _is_by_letters(vocab, settings, path)
    added = added_beside(vocab, settings, path)
    names = {**vocab, **{token.content: len(vocab) + i for i, token in enumerate(added)}}
    special = special_tokens(names, settings, path, of_bpe=True)
    added = [_as_special(token) if token.content in special.all else token for token in added]
    cased = settings.get("do_lower_case") is False
    normalizer = told_normalizer(settings, cased=cased) if by_letters else None
    with library_errors("not a usable vocabulary", path):
        return bpe_tokenizer(vocab, pairs, special, normalizer, added)


def _as_special(token: AddedToken) -> AddedToken:
    """Return a token that is found in a text as it is, before its capitals are lost."""
    return AddedToken(token.content, special=True, normalized=False)


def _is_by_letters(vocab: dict[str, int], settings: dict[str, Any], path: Path) -> bool:
    """Say whether letters are joined, not bytes.

    Raises:
        DataError: if the files say neither, so that ids would be guessed.
    """
    name = settings.get("tokenizer_class")
    if name not in (*_OF_LETTERS, *_OF_BYTES, *_OF_ANY):
        raise DataError(
            f"cut by {name}, of which vocab.json and merges.txt tell only a part.",
            path=path,
            hint="Save it with transformers as tokenizer.json.",
        )
    has_ends = any(token.endswith(END) for token in vocab)
    by_letters = has_ends if name in _OF_ANY else name in _OF_LETTERS
    if by_letters != has_ends or (has_ends and vocab.keys() >= set(BYTE_LETTERS.values())):
        raise DataError("its tokens are written neither as those of GPT nor of GPT-2.", path=path)
    return by_letters


def _pairs(path: Path, vocab: dict[str, int]) -> Merges:
    """Return the pairs that a ``merges.txt`` joins, in its order."""
    lines = read_text(path).split("\n")
    first = 1 if lines[0].startswith("#version") else 0
    pairs: Merges = []
    for number, line in enumerate(lines[first:], first + 1):
        parts = line.removesuffix("\r").split(" ")
        if parts == [""]:
            if any(lines[number:]):
                raise DataError("an empty line among the pairs.", path=path, line=number)
            break
        if len(parts) != 2:
            raise DataError(f"{line!r} is no pair of tokens.", path=path, line=number)
        for token in (*parts, "".join(parts)):
            if token not in vocab:
                raise DataError(f"{token!r} is not in {VOCAB}.", path=path, line=number)
        pairs.append((parts[0], parts[1]))
    return pairs
