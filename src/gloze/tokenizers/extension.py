"""Words of a domain for a vocabulary that cuts them up.

Candidates are the words of a corpus that WordPiece writes in several pieces, or not at all. Those
that save most pieces come in: the count of a word times the pieces it is longer than one; a word
that is unknown so far counts as two.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from gloze.core.errors import ConfigError, DataError
from gloze.tokenizers.counting import count_words
from gloze.tokenizers.pieces import MIN_COUNT
from gloze.tokenizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

_UNUSED = re.compile(r"\[unused\d+\]")
_WORDS_AT_ONCE = 1 << 16


def learn_words(texts: Iterable[str], tokenizer: Tokenizer, number: int) -> list[str]:
    """Return the ``number`` words of ``texts`` that save most tokens, best first.

    Ties go by code point. A word whose coming in would make another one of the texts unknown,
    because WordPiece takes the longest piece that fits, is passed over.

    Raises:
        ConfigError: if the tokenizer is not WordPiece as BERT cuts it, or ``number`` under 1.
        DataError: if the texts have fewer such words.
    """
    if number < 1:
        raise ConfigError(f"--extend-vocabulary {number}: there is at least one word to add.")
    if tokenizer.words is None or tokenizer.kind != "WordPiece":
        raise ConfigError(
            f"Only vocabularies of WordPiece can be extended; this one is {tokenizer.kind}."
        )
    counts = count_words(texts, tokenizer.words).words
    words = sorted(counts)
    pieces, known = _pieces(words, tokenizer)
    often = np.array([counts[word] for word in words])
    saved = np.where(often >= MIN_COUNT, often, 0) * np.where(known, pieces - 1, 1)
    best = [words[i] for i in np.argsort(-saved, kind="stable") if saved[i] > 0]
    longest = tokenizer.definition["model"]["max_input_chars_per_word"]
    best = [word for word in best if len(word) <= longest]
    spellable = [word for word, is_known in zip(words, known, strict=True) if is_known]
    while len(best) >= number:
        chosen = best[:number]
        harmful = set(_harmful(spellable, chosen, tokenizer))
        if not harmful:
            return chosen
        best = [word for word in best if word not in harmful]
    raise DataError(
        f"the corpus has {len(best)} words that the vocabulary cuts up, not {number}.",
        hint=f"Use --extend-vocabulary {len(best)}, or a larger corpus." if best else "",
    )


def with_words(tokenizer: Tokenizer, words: Sequence[str]) -> Tokenizer:
    """Return a tokenizer that knows ``words``: in the place of ``[unusedN]``, then at the end.

    All other tokens keep their ids.

    Raises:
        ConfigError: if tokens were added outside of the vocabulary.
    """
    definition, model = tokenizer.definition, tokenizer.definition["model"]
    if len(model["vocab"]) != tokenizer.vocab_size:
        raise ConfigError(f"{tokenizer!r} has tokens beside its vocabulary, which cannot grow.")
    tokens = tokenizer.tokens(range(tokenizer.vocab_size))
    for word, place in zip(words, _places(tokenizer, len(words)), strict=True):
        tokens[place : place + 1] = [word]
    vocab = {token: number for number, token in enumerate(tokens)}
    return Tokenizer({**definition, "model": {**model, "vocab": vocab}}, tokenizer.special_tokens)


def size_with(tokenizer: Tokenizer, number: int) -> int:
    """Return the size of the vocabulary once it has so many words more."""
    return max(tokenizer.vocab_size, 1 + max(_places(tokenizer, number), default=0))


def new_ids(tokenizer: Tokenizer, before: Tokenizer) -> list[int]:
    """Return the ids whose tokens are not those that they were before."""
    was, now = (each.tokens(range(each.vocab_size)) for each in (before, tokenizer))
    return [i for i, token in enumerate(now) if i >= len(was) or token != was[i]]


def _places(tokenizer: Tokenizer, number: int) -> list[int]:
    tokens, special = tokenizer.tokens(range(tokenizer.vocab_size)), set(tokenizer.special_ids)
    free = [i for i, t in enumerate(tokens) if _UNUSED.fullmatch(t) and i not in special]
    places = [*free, *range(len(tokens), len(tokens) + number)]
    return places[:number]


def _pieces(
    words: Sequence[str], tokenizer: Tokenizer
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the number of pieces of each word, and whether they spell it."""
    pieces, known = [np.zeros(0, np.int64)], [np.zeros(0, bool)]
    for some in _blocks(words):
        ids, lengths = tokenizer.encode(some)
        owner = np.repeat(np.arange(len(some)), lengths)
        unknown = np.bincount(owner, ids == tokenizer.unk_id, minlength=len(some))
        pieces.append(lengths)
        known.append(unknown == 0)
    return np.concatenate(pieces), np.concatenate(known)


def _harmful(spellable: Sequence[str], chosen: Sequence[str], tokenizer: Tokenizer) -> list[str]:
    """Return the chosen words that hinder others that could be spelt without them."""
    new = frozenset(chosen)
    # Others are written as before.
    longer = [word for word in spellable if _starts(word, new)]
    _, known = _pieces(longer, with_words(tokenizer, chosen))
    hindered = [word for word, is_known in zip(longer, known, strict=True) if not is_known]
    return [start for word in hindered for start in _starts(word, new)]


def _starts(word: str, new: frozenset[str]) -> list[str]:
    """Return the new words that a word begins with, shorter than itself."""
    return [word[:end] for end in range(1, len(word)) if word[:end] in new]


def _blocks(words: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(words)
    while some := list(islice(rest, _WORDS_AT_ONCE)):
        yield some
