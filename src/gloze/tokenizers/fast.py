"""Which tokenizers have a fast encoder, that gives the ids of the library."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from gloze.tokenizers.byte_words import ByteModel, ByteWords
from gloze.tokenizers.counting import MAX_WORD_CHARACTERS
from gloze.tokenizers.words import BertWords, WordEncoder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Longer words are unknown where the vocabulary is of whole words.
MAX_WHOLE_WORD = 1 << 10


def word_encoder(definition: dict[str, Any], library: Tokenizer, unk_id: int) -> WordEncoder | None:
    """Return the fast encoder where it is exact: words cut by single characters, then looked up."""
    added = definition.get("added_tokens") or []
    if not all(token["special"] for token in added):
        return None
    if is_byte_level(definition):
        words, model = ByteWords(library.pre_tokenizer), ByteModel(library.model)
        return WordEncoder(words, model, unk_id=unk_id, max_word_characters=sys.maxsize)
    if not _is_of_bert(definition):
        return None
    # Where marks do not part words, a word may be written like a special token.
    kind = definition["model"].get("type")
    special = frozenset(token["content"] for token in added) if kind == "WordLevel" else frozenset()
    longest = {"BPE": sys.maxsize, "WordLevel": MAX_WHOLE_WORD}.get(kind)
    if longest is None:
        longest = definition["model"].get("max_input_chars_per_word", MAX_WORD_CHARACTERS)
    return WordEncoder(
        BertWords(library.normalizer, library.pre_tokenizer),
        library.model,
        unk_id=unk_id,
        max_word_characters=longest,
        special=special,
    )


def is_byte_level(definition: dict[str, Any]) -> bool:
    """Say whether texts are cut in GPT-2's way, into pairs of bytes."""
    model, parted = definition["model"], definition.get("pre_tokenizer") or {}
    return (
        model.get("type") == "BPE"
        and not definition.get("normalizer")
        and parted.get("type") == "ByteLevel"
        and not parted.get("add_prefix_space")
        and parted.get("use_regex", True)
        and not model.get("dropout")
    )


def _is_of_bert(definition: dict[str, Any]) -> bool:
    """Say whether words come from BERT's normalizer, parted by its marks, or spaces alone."""
    kind, normalizer = definition["model"].get("type"), definition.get("normalizer") or {}
    parted = (definition.get("pre_tokenizer") or {}).get("type")
    fits = (kind == "WordLevel" and parted == "WhitespaceSplit") or (
        kind in ("WordPiece", "WordLevel", "BPE") and parted == "BertPreTokenizer"
    )
    is_plain = normalizer.get("type") == "BertNormalizer" and normalizer.get("clean_text")
    return bool(fits and is_plain and not definition["model"].get("dropout"))
