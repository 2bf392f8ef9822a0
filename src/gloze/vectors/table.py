"""A table of word vectors: look-up, neighbours, analogies, vectors of texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError, nearest
from gloze.tokenizers.config import TokenizerConfig
from gloze.vectors.search import nearest as highest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gloze.vectors.texts import TextPooling
    from gloze.vectors.words import Rows, Words

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Query = str | Floats
_NUMBERS_AT_ONCE = 1 << 24
# Of 3CosMul: keeps the quotient finite (Levy and Goldberg 2014, 3).
_EPSILON = 1e-3


class WordVectors:
    """Words and a vector for each, in the order of the file or by falling frequency.

    The names are those of gensim's ``KeyedVectors`` where it has them. Arrays may be mapped from
    a file and larger than memory; they are gone through in blocks.

    Attributes:
        words: of the rows.
        vectors: float32 [words, size].
        context: the other set of vectors of a model that trains two, [words, size], or None.
        counts: how often each word was met, [words], or None.
        idf: weight of each word in a text, [words], or None.
        cut: how texts are cut into words: what becomes of capitals and accents, what parts words.
        is_sum: whether ``vectors`` are sums, of which ``context`` is a part.
    """

    is_sum = False

    def __init__(
        self,
        words: Words,
        vectors: Floats,
        *,
        context: Floats | None = None,
        counts: Array | None = None,
        idf: Floats | None = None,
        norms: Floats | None = None,
        cut: TokenizerConfig | None = None,
    ) -> None:
        """Keep the parts; ``norms`` are the lengths of the vectors, if they are known."""
        self.words, self.vectors, self.context = words, vectors, context
        self.counts, self.idf = counts, idf
        self.cut = cut or TokenizerConfig(kind="words", cased=True)
        if norms is not None:
            self.norms = norms

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.words

    def __getitem__(self, word: str) -> Floats:
        vector: Floats = np.array(self.vectors[self.row(word)], np.float32)
        return vector

    def __repr__(self) -> str:
        return f"WordVectors({len(self):,} words of {self.size} numbers)"

    @property
    def size(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])

    @cached_property
    def norms(self) -> Floats:
        """Lengths of the vectors, [words]."""
        found = np.empty(len(self), np.float32)
        for own in self.blocks():
            found[own] = np.linalg.norm(np.asarray(self.vectors[own], np.float64), axis=1)
        return found

    def blocks(self, limit: int | None = None) -> Iterator[slice]:
        """Yield the rows, the first ``limit`` of them, in blocks of bounded memory.

        Raises:
            ConfigError: if the limit is under 1.
        """
        if limit is not None and limit < 1:
            raise ConfigError(f"The limit is {limit}: at least one word is looked at.")
        end = len(self) if limit is None else min(limit, len(self))
        step = max(1, _NUMBERS_AT_ONCE // self.size)
        for start in range(0, end, step):
            yield slice(start, min(start + step, end))

    def row(self, word: str) -> int:
        """Return the row of a word.

        Raises:
            ConfigError: if it has none.
        """
        if not isinstance(word, str):
            raise ConfigError(f"{word!r} is asked for, which is no word.")
        row = self.words.row(word)
        if row < 0:
            known = self.words[: min(len(self), 20_000)]
            raise ConfigError(f"{word!r} has no vector. {nearest(word, known)}".rstrip())
        return row

    def unit(self, rows: Rows) -> Floats:
        """Return the vectors of some rows at length 1, [rows, size]; zeros stay zeros."""
        found: Floats = np.asarray(self.vectors[rows]) / divisors(self.norms[rows])[:, None]
        return found

    def similarity(self, first: str, second: str) -> float:
        """Return the cosine of two words.

        Raises:
            ConfigError: if one of them has no vector.
        """
        a, b = self.unit(np.array([self.row(first), self.row(second)]))
        return float(a @ b)

    def cosines(self, queries: Floats, limit: int | None = None) -> Floats:
        """Return the cosines of the words, the first ``limit`` of them, with queries of length 1.

        Args:
            queries: [size] or [queries, size].
            limit: number of words.

        Returns:
            [words] or [words, queries].
        """
        blocks = list(self.blocks(limit))
        shape = (blocks[-1].stop if blocks else 0, *queries.shape[:-1])
        found = np.empty(shape, np.float32)
        for own in blocks:
            norms = divisors(self.norms[own]).reshape(-1, *[1] * (queries.ndim - 1))
            found[own] = np.asarray(self.vectors[own]) @ queries.T / norms
        return found

    def most_similar(
        self,
        positive: Query | Sequence[Query],
        negative: Query | Sequence[Query] = (),
        topn: int = 10,
        restrict_vocab: int | None = None,
    ) -> list[tuple[str, float]]:
        """Return the words nearest to the sum of some words less others, with cosines (3CosAdd).

        Example: ``vectors.most_similar(["king", "woman"], ["man"])``

        Args:
            positive: words, at length 1, and vectors, as they are, that are added; the words are
                left out of the answer.
            negative: the same, taken away.
            topn: how many.
            restrict_vocab: look among so many words of the beginning alone.

        Raises:
            ConfigError: if a word has no vector, or nothing is asked.
        """
        added, rows = self._units(positive)
        taken, others = self._units(negative)
        whole = np.concatenate([added, -taken])
        if not len(whole):
            raise ConfigError("Nothing is asked: give a word or a vector.")
        query = whole.mean(axis=0)
        length = float(np.linalg.norm(query))
        scores = self.cosines(query / length if length else query, restrict_vocab)
        return self.best(scores, topn, [*rows, *others])

    def most_similar_cosmul(
        self,
        positive: Query | Sequence[Query],
        negative: Query | Sequence[Query] = (),
        topn: int = 10,
        restrict_vocab: int | None = None,
    ) -> list[tuple[str, float]]:
        """Return the words of the highest product of cosines, over that of others (3CosMul).

        Cosines are moved to 0 to 1 first (Levy and Goldberg 2014, 3). Arguments and errors are
        those of :meth:`most_similar`.
        """
        added, rows = self._units(positive)
        taken, others = self._units(negative)
        if not len(added):
            raise ConfigError("Nothing is asked: give a word or a vector that is added.")
        above, below = (
            self.cosines(each / divisors(np.linalg.norm(each, axis=1))[:, None], restrict_vocab)
            for each in (added, taken)
        )
        return self.best(multiplied(above, below), topn, [*rows, *others])

    def best(self, scores: Floats, topn: int, but: Sequence[int] = ()) -> list[tuple[str, float]]:
        """Return the words of the highest scores, highest first, of equals the first.

        Args:
            scores: of the first words, [words].
            topn: how many.
            but: rows that are left out.

        Raises:
            ConfigError: if fewer than one is asked for.
        """
        if not isinstance(topn, int) or topn < 1:
            raise ConfigError(
                f"{topn!r} words (topn, --top) cannot be looked for: one or more can."
            )
        scores = scores.copy()
        scores[[row for row in but if row < len(scores)]] = -np.inf
        order = highest(scores, topn)
        return [(self.words[i], float(scores[i])) for i in order.tolist() if scores[i] > -np.inf]

    def _units(self, given: Query | Sequence[Query]) -> tuple[Floats, list[int]]:
        """Return words at length 1 and vectors as they are, [queries, size]; the words' rows."""
        one = isinstance(given, str) or (isinstance(given, np.ndarray) and given.ndim == 1)
        queries: Any = [given] if one else given
        if not isinstance(queries, Sequence):
            raise ConfigError(f"{given!r} is asked for: give words, or vectors.")
        vectors, rows = np.zeros((len(queries), self.size), np.float32), []
        for place, query in enumerate(queries):
            if isinstance(query, str):
                rows.append(self.row(query))
                vectors[place] = self.unit(np.array(rows[-1:]))[0]
                continue
            if not isinstance(query, np.ndarray):
                raise ConfigError(f"{query!r} is asked for, which is neither word nor array.")
            vector = np.asarray(query, np.float32)
            if vector.shape != (self.size,):
                raise ConfigError(f"A vector of {vector.shape} is asked for, not ({self.size},).")
            vectors[place] = vector
        return vectors, rows

    def doesnt_match(self, words: Sequence[str]) -> str:
        """Return the word that is farthest from the mean of all, each at length 1.

        Raises:
            ConfigError: if there are fewer than three words, or one has no vector.
        """
        if len(words) < 3:
            raise ConfigError(f"{len(words)} words have no odd one out: give three or more.")
        units = self.unit(np.array([self.row(word) for word in words]))
        return words[int(np.argmin(units @ units.mean(axis=0)))]

    def encode(
        self,
        texts: Sequence[str],
        *,
        pooling: TextPooling = "mean",
        normalize: bool = False,
    ) -> Floats:
        """Return a vector for each text, [texts, size]: the mean of its words' vectors.

        Or one of the words themselves, [texts, words], the simplest there is.

        Words without a vector are passed over; a text that has no other gets zeros, and a warning
        says how many did.

        Args:
            texts: of any length.
            pooling: ``mean``; or ``idf``, where each word counts by its weight in :attr:`idf`;
                ``counts``, how often each word of the table is there; ``tf-idf``, that times its
                weight.
            normalize: to a length of 1.

        Raises:
            ConfigError: if something is not a text, or there are no weights.
        """
        from gloze.vectors.texts import encode_texts

        return encode_texts(self, texts, pooling, normalize=normalize)


def divisors(lengths: Floats) -> Floats:
    """Return what vectors are divided by: their lengths, and 1 where that is 0."""
    found: Floats = np.where(lengths > 0, lengths, np.float32(1))
    return found


def multiplied(above: Floats, below: Floats) -> Floats:
    """Return the product of some cosines over that of others, each moved to 0 to 1, [words].

    Args:
        above: cosines, [words, queries].
        below: those divided by, [words, others].
    """
    over = ((1 + below) / 2).prod(axis=1) + _EPSILON
    found: Floats = ((1 + above) / 2).prod(axis=1) / over
    return found
