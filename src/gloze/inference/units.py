"""Texts as tokens, and as what vectors are wanted of: tokens or words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError
from gloze.core.ranges import ranges
from gloze.tokenizers.spelling import spell_texts

if TYPE_CHECKING:
    from gloze.core.batch import Bools, Ints
    from gloze.tokenizers import Tokenizer
    from gloze.tokenizers.spelling import Spelled

Text = str | Sequence[str]
_WORD = re.compile(r"\S+")


class Units(NamedTuple):
    """Texts laid end to end, as tokens and as units, each of which is some of the tokens.

    Attributes:
        ids: of all tokens.
        lengths: tokens of each text.
        names: of each unit: the token as in the vocabulary, or the word as it was given.
        offsets: characters of each unit in its text, from and up to, [units, 2].
        pieces: tokens of each unit.
        sizes: units of each text.
        characters: the bytes of each token as it was written, [tokens, bytes]; None where they
            are not read.
    """

    ids: npt.NDArray[np.signedinteger[Any]]
    lengths: Ints
    names: list[str]
    offsets: Ints
    pieces: Ints
    sizes: Ints
    characters: Spelled | None = None


def units_of(
    tokenizer: Tokenizer,
    texts: Sequence[Text],
    *,
    words: bool,
    only_ids: bool = False,
    num_bytes: int | None = None,
) -> Units:
    """Return the units of texts, or of texts that are lists of words already.

    Args:
        tokenizer: of the model.
        texts: all of one kind.
        words: cut texts into words at spaces; else each token is a unit.
        only_ids: find no units at all, not even words that were given.
        num_bytes: of each token that its encoder reads, if it reads characters.

    Raises:
        ConfigError: if there are both texts and lists of words.
        DataError: if a text cannot be encoded.
    """
    found = _units_of(tokenizer, texts, words=words, only_ids=only_ids)
    if num_bytes is None:
        return found
    parts = chain.from_iterable([text] if isinstance(text, str) else text for text in texts)
    return found._replace(characters=spell_texts(tokenizer, list(parts), num_bytes))


def _units_of(tokenizer: Tokenizer, texts: Sequence[Text], *, words: bool, only_ids: bool) -> Units:
    plain = [text for text in texts if isinstance(text, str)]
    given = [text for text in texts if not isinstance(text, str)]
    if plain and given:
        raise ConfigError("Give texts or lists of words, not some of each.")
    if only_ids:
        ids, lengths = tokenizer.encode_words(given)[:2] if given else tokenizer.encode(plain)
        none = np.zeros(0, dtype=np.int64)
        return Units(ids, lengths, [], none.reshape(0, 2), none, np.zeros_like(lengths))
    if given:
        ends = (accumulate((len(word) + 1 for word in text), initial=0) for text in given)
        spans = [
            [(start, start + len(word)) for start, word in zip(starts, text, strict=False)]
            for starts, text in zip(ends, given, strict=True)
        ]
        return _of_words(tokenizer, given, spans)
    if words:
        spans = [[match.span() for match in _WORD.finditer(text)] for text in plain]
        cut = [[text[a:b] for a, b in of] for text, of in zip(plain, spans, strict=True)]
        return _of_words(tokenizer, cut, spans)
    ids, lengths, offsets = tokenizer.encode_with_offsets(plain)
    names = tokenizer.tokens(ids.tolist())
    return Units(ids, lengths, names, offsets, np.ones(len(ids), dtype=np.int64), lengths)


def _of_words(
    tokenizer: Tokenizer, words: Sequence[Sequence[str]], spans: list[list[tuple[int, int]]]
) -> Units:
    ids, lengths, word = tokenizer.encode_words(words)
    sizes = np.fromiter(map(len, words), np.int64, len(words))
    numbers = np.repeat(np.cumsum(sizes) - sizes, lengths) + word
    pieces = np.bincount(numbers, minlength=int(sizes.sum()))
    offsets = np.array(list(chain.from_iterable(spans)), dtype=np.int64).reshape(-1, 2)
    return Units(ids, lengths, list(chain.from_iterable(words)), offsets, pieces, sizes)


def cut_units(units: Units, room: int) -> Units:
    """Leave out of each text what is behind the last token that there is room for."""
    lengths = np.minimum(units.lengths, room)
    firsts = np.cumsum(units.lengths) - units.lengths
    owner = np.repeat(np.arange(len(lengths)), units.sizes)
    # How many tokens of its text stand before each unit.
    before = np.cumsum(units.pieces) - units.pieces - firsts[owner]
    kept = (before < lengths[owner]) | (lengths == units.lengths)[owner]
    return Units(
        units.ids[ranges(firsts, lengths)],
        lengths,
        [name for name, is_kept in zip(units.names, kept, strict=True) if is_kept],
        units.offsets[kept],
        np.minimum(units.pieces, lengths[owner] - before)[kept],
        np.bincount(owner[kept], minlength=len(lengths)),
        None if units.characters is None else units.characters[ranges(firsts, lengths)],
    )


def count_by_text(marks: Bools, lengths: Ints) -> Ints:
    """Return how many tokens of each text are marked."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    return np.bincount(owner[marks], minlength=len(lengths))
