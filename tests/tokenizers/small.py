"""A small tokenizer, learned once, that several tests use."""

from __future__ import annotations

from functools import cache

from gloze.tokenizers import Tokenizer, TokenizerConfig, learn_tokenizer

TEXT = (
    "the cat sat on the mat, and the dog sat by the cat.",
    "abc abcd abcde abc de Abc DE Caf\u00e9 caf\u00e9 \u00c9t\u00e9 stra\u00dfe x1",
    "\u4e2d\u6587 \u201cwhere is the dog?\u201d asked the cat \u2014 it's there! (there)",
)


@cache
def small_tokenizer(*, cased: bool = False) -> Tokenizer:
    """Return a tokenizer of 95 tokens, learned from :data:`TEXT`."""
    return learn_tokenizer(lambda: iter(TEXT * 3), TokenizerConfig(vocab_size=95, cased=cased))
