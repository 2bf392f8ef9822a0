"""Vectors of texts, or of their words, from a table of word vectors."""

from __future__ import annotations

import re
from itertools import accumulate, chain, islice
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError
from gloze.inference.features import Features
from gloze.tokenizers.whole_words import cut_words, plain_words
from gloze.vectors.lines import look_up
from gloze.vectors.texts import BAGS, check_weights, pool_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gloze.core.batch import Ints
    from gloze.inference.features import FeatureConfig
    from gloze.inference.units import Text
    from gloze.vectors.table import Floats, WordVectors
    from gloze.vectors.texts import TextPooling

_TEXTS_AT_ONCE = 1024
# Of bags of words: numbers at a time.
_NUMBERS_AT_ONCE = 1 << 25
_WORD = re.compile(r"\S+")


def _check(table: WordVectors, config: FeatureConfig) -> None:
    """Refuse what only an encoder that reads texts can give."""
    known = "word vectors, which say the same of a word wherever it stands"
    if config.layers not in ((-1,), (0,)) or config.combine not in ("concat", "stack"):
        raise ConfigError(f"--layers and --combine are of encoders; these are {known}.")
    if config.long != "windows" or config.stride is not None:
        raise ConfigError(
            f"--long and --stride are of encoders, which read so far; these are {known}."
        )
    if config.pooling in ("cls", "max", "first_last"):
        raise ConfigError(
            f"--pooling {config.pooling} is of encoders; these are {known}. Take mean or idf, or "
            "--words for a vector of each word."
        )
    if config.pooling == "none" and not config.words:
        raise ConfigError(
            "--pooling none gives a vector for each token, and the tokens of word vectors are "
            "words: add --words."
        )
    check_weights(table, config.pooling)


def iterate_word_features(
    table: WordVectors, texts: Iterable[Text], config: FeatureConfig
) -> Iterator[Features]:
    """Yield the features of each text in order: a mean of its words, or a vector for each.

    Means are those of :meth:`WordVectors.encode`. With ``words`` a word is what stands between
    spaces, or was given: it is looked up whole, and if it has no vector so, as the words that it
    is cut into, marks apart, of which ``pieces`` takes the first that has a vector or the mean.
    What has none gets zeros, and counts as unknown.

    Raises:
        ConfigError: for what only an encoder that reads texts can give.
    """
    _check(table, config)
    return _iterate(table, iter(texts), config)


def _iterate(
    table: WordVectors, every: Iterator[Text], config: FeatureConfig
) -> Iterator[Features]:
    width = len(table) if config.pooling in BAGS else table.size
    at_once = max(1, min(_TEXTS_AT_ONCE, _NUMBERS_AT_ONCE // width))
    while block := list(islice(every, at_once)):
        yield from (_by_word if config.pooling == "none" else _pooled)(table, block, config)


def _pooled(table: WordVectors, texts: list[Text], config: FeatureConfig) -> Iterator[Features]:
    if isinstance(texts[0], str):
        words, lengths = cut_words(cast("list[str]", texts), table.cut)
    else:
        words, lengths = _flat(table, texts)
    rows, owners = look_up(table, words), np.repeat(np.arange(len(texts)), lengths)
    pooling = cast("TextPooling", config.pooling)
    found = pool_rows(table, rows, owners, len(texts), pooling)
    unknown = np.bincount(owners[rows < 0], minlength=len(texts))
    none = np.zeros(0, np.int64)
    for vector, length, lacking in zip(found, lengths.tolist(), unknown.tolist(), strict=True):
        shown = vector[None] if config.combine == "stack" else vector
        yield Features([], none.reshape(0, 2), none, shown, length, 0, lacking, min(1, length))


def _flat(table: WordVectors, texts: Sequence[Sequence[str]]) -> tuple[list[str], Ints]:
    """Return words that were given end to end, and how many of each text."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    return plain_words(list(chain.from_iterable(texts)), table.cut), lengths


def _by_word(table: WordVectors, texts: list[Text], config: FeatureConfig) -> Iterator[Features]:
    spans = [_spans(text) for text in texts]
    words = [
        [text[a:b] for a, b in own] if isinstance(text, str) else list(text)
        for text, own in zip(texts, spans, strict=True)
    ]
    flat = list(chain.from_iterable(words))
    vectors, pieces, lacking = _vectors_of(table, flat, config.pieces)
    end = 0
    for own, places in zip(words, spans, strict=True):
        some = slice(end, end := end + len(own))
        shown = vectors[None, some] if config.combine == "stack" else vectors[some]
        offsets = np.array(places, np.int64).reshape(-1, 2)
        tokens, unknown = int(pieces[some].sum()), int(lacking[some].sum())
        yield Features(own, offsets, pieces[some], shown, tokens, 0, unknown, min(1, tokens))


def _spans(text: Text) -> list[tuple[int, int]]:
    """Return where each word stands in its text; of given words in these joined by spaces."""
    if isinstance(text, str):
        return [match.span() for match in _WORD.finditer(text)]
    starts = accumulate((len(word) + 1 for word in text), initial=0)
    return [(start, start + len(word)) for start, word in zip(starts, text, strict=False)]


def _vectors_of(
    table: WordVectors, words: list[str], pieces: Literal["first", "mean"]
) -> tuple[Floats, Ints, Ints]:
    """Return the vector of each word, in how many it was cut, and how many of these have none."""
    plain = plain_words(words, table.cut)
    rows = look_up(table, plain)
    parts, lengths = cut_words([words[i] for i in np.flatnonzero(rows < 0)], table.cut)
    counts, lacking = np.ones(len(words), np.int64), np.zeros(len(words), np.int64)
    counts[rows < 0] = lengths
    owners = np.repeat(np.flatnonzero(rows < 0), lengths)
    of_parts = look_up(table, parts)
    lacking += np.bincount(owners[of_parts < 0], minlength=len(words))
    owners, of_parts = owners[of_parts >= 0], of_parts[of_parts >= 0]
    if pieces == "first":
        owners, firsts = np.unique(owners, return_index=True)
        of_parts = of_parts[firsts]
    is_whole = rows >= 0
    rows = np.concatenate([rows[is_whole], of_parts])
    owners = np.concatenate([np.flatnonzero(is_whole), owners])
    found: npt.NDArray[np.float32] = pool_rows(table, rows, owners, len(words), "mean")
    return found, counts, lacking
