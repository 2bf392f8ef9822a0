"""``gloze vectors``: what is asked of a table of word vectors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.core.errors import ConfigError
from gloze.interop.vector_tables import load_word_vectors
from gloze.metrics.table import text_table
from gloze.vectors.nearest import NearestWords, nearest_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.vectors.analogies import Method


@dataclass(frozen=True)
class Similarities:
    """The cosines of some words with each other.

    Attributes:
        words: as given.
        cosines: [words, words].
        odd: the word farthest from the mean of all, if there are three or more.
    """

    words: list[str]
    cosines: list[list[float]]
    odd: str | None = None

    def __str__(self) -> str:
        if len(self.words) == 2:
            return f"{self.words[0]} {self.words[1]}  {self.cosines[0][1]:.4f}"
        rows = [
            [word, *(f"{value:.4f}" for value in row)]
            for word, row in zip(self.words, self.cosines, strict=True)
        ]
        return f"{text_table(['', *self.words], rows)}\nThe odd one out: {self.odd}"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        return asdict(self)


def vector_neighbors(
    vectors: str | Path, words: Sequence[str], *, top: int = 10, limit: int | None = None
) -> NearestWords:
    """Find the nearest words of each word.

    Args:
        vectors: a folder of ours, a run, or a file of word2vec or GloVe.
        words: to look for.
        top: how many of each.
        limit: look among so many words of the beginning alone.

    Raises:
        ConfigError: if a word has no vector.
        DataError: if the vectors cannot be read.
    """
    if not words:
        raise ConfigError("Nothing is asked: give one word or more.")
    return nearest_words(load_word_vectors(vectors), words, top, limit)


def vector_analogy(
    vectors: str | Path,
    first: str,
    second: str,
    third: str,
    *,
    method: Method = "add",
    top: int = 10,
    limit: int | None = None,
) -> NearestWords:
    """Find what ``third`` is to as ``first`` is to ``second``.

    Args:
        vectors: a folder of ours, a run, or a file of word2vec or GloVe.
        first: word of the pair that is known.
        second: what it is to.
        third: word of the pair that is looked for.
        method: ``add`` is 3CosAdd, ``mul`` 3CosMul.
        top: how many.
        limit: look among so many words of the beginning alone.

    Raises:
        ConfigError: if a word has no vector.
        DataError: if the vectors cannot be read.
    """
    table = load_word_vectors(vectors)
    ask = table.most_similar if method == "add" else table.most_similar_cosmul
    found = ask([second, third], [first], top, limit)
    kind = "cosine" if method == "add" else "mul"
    return NearestWords({f"{first} is to {second} as {third} is to": found}, kind)


def vector_similarity(vectors: str | Path, words: Sequence[str]) -> Similarities:
    """Compare some words with each other.

    Args:
        vectors: a folder of ours, a run, or a file of word2vec or GloVe.
        words: two or more.

    Raises:
        ConfigError: if a word has no vector, or there is one alone.
        DataError: if the vectors cannot be read.
    """
    if len(words) < 2:
        raise ConfigError("Give two words to compare, or more to see which does not belong.")
    table = load_word_vectors(vectors)
    cosines = [[table.similarity(first, second) for second in words] for first in words]
    odd = table.doesnt_match(words) if len(words) > 2 else None
    return Similarities(list(words), cosines, odd)
