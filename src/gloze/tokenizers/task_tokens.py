"""The tokens that fine-tuning adds to a vocabulary which cannot begin and end a text, as GPT's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gloze.tokenizers.special import DELIMITER, EXTRACT, START
from gloze.tokenizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping

TASK_TOKENS = (START, DELIMITER, EXTRACT)


def with_task_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """Return a tokenizer that can begin, part and end sequences; the same if it can already.

    Else ``_start_`` begins them, ``_delimiter_`` parts them and ``_classify_`` ends them (Radford
    et al. 2018, 3.3). Those that are not in the vocabulary yet get the ids after its last; all
    other tokens keep theirs.
    """
    special, definition = tokenizer.special_tokens, tokenizer.definition
    if special.cls and special.sep:
        return tokenizer
    added = {entry["content"]: entry for entry in definition.get("added_tokens") or []}
    size = tokenizer.vocab_size
    for token in TASK_TOKENS:
        number = tokenizer.token_id(token)
        added[token] = _special(token, size if number is None else number)
        size += number is None
    entries = sorted(added.values(), key=_number)
    named = replace(special, cls=special.cls or START, sep=special.sep or DELIMITER)
    return Tokenizer({**definition, "added_tokens": entries}, named, tokenizer.segmenter)


def _special(token: str, number: int) -> dict[str, Any]:
    """Return the entry of a token that is found in a text as it is, before capitals are lost."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": token, **flags, "special": True}


def _number(entry: Mapping[str, Any]) -> int:
    return int(entry["id"])
