"""Words and the words around them: the tables of skip-gram and CBOW, and how they are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError
from gloze.core.rng import derive, generator
from gloze.data.window import keep_chances
from gloze.kernels import cbow, skipgram
from gloze.kernels.draws import Noise, Text
from gloze.kernels.huffman import huffman_tree
from gloze.objectives.rows import aligned_zeros, both_sets, random_rows
from gloze.objectives.word2vec import CBOWConfig, SkipGramConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.data.window import Block, WindowConfig
    from gloze.kernels.huffman import Tree
    from gloze.vectors.table import WordVectors

Table = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


class Word2Vec:
    """The two tables of skip-gram or CBOW, and how a block of text changes them.

    Attributes:
        inner: of the words predicted from, [vocab, size].
        outer: of the words predicted, or of the nodes of the tree, [vocab, size].
        size: numbers of a vector; rows are filled up with zeros.
    """

    def __init__(
        self,
        config: SkipGramConfig,
        window: WindowConfig,
        counts: Counts,
        *,
        size: int,
        first_word: int,
        seed: int,
    ) -> None:
        """Begin with small random inner vectors and zeros.

        Args:
            config: a :class:`CBOWConfig` for CBOW.
            window: of words around.
            counts: how often each token is met, [vocab].
            size: numbers of a vector.
            first_word: lowest id of a word; what is under it is passed over.
            seed: of the beginning and of every draw.

        Raises:
            MissingExtraError: if numba is not installed.
            ConfigError: if fewer than two words are met.
        """
        counts = np.where(np.arange(len(counts)) >= first_word, counts, 0)
        if np.count_nonzero(counts) < 2:
            raise ConfigError("Word vectors need two different words at least.")
        self.size, self._seed = size, seed
        self._window = window.size if window.dynamic else -window.size
        self._first = first_word
        self._keep = keep_chances(counts, window.subsample)
        self.inner = random_rows(generator("vectors", seed), len(counts), size)
        self.outer = aligned_zeros(*self.inner.shape)
        self._kernel, self._own = _kernel(config, counts)
        self._has_words_outside = config.output == "negative_sampling"
        self._config, self._counts = config, counts

    def begin_with(self, vectors: WordVectors, words: Sequence[str]) -> int:
        """Give the words that have a vector in a table that one; return how many do.

        Outer vectors come from the table's ``context`` where there is one, and these are of words.

        Args:
            vectors: of as many numbers.
            words: of the rows, [vocab].
        """
        rows = vectors.words.rows(words)
        own = np.flatnonzero(rows >= 0)
        own = own[own >= self._first]
        self.inner[own, : self.size], outer = both_sets(vectors, rows[own])
        if outer is not None and self._has_words_outside:
            self.outer[own, : self.size] = outer
        return len(own)

    def met(self) -> tuple[Doubles, Doubles]:
        """Return how often each row is changed for a token of text, inner and outer, [rows]."""
        shares = self._counts / max(1, self._counts.sum()) * self._keep
        is_cbow = isinstance(self._config, CBOWConfig)
        around = self._window + 1.0 if self._window > 0 else -2.0 * self._window
        predicted = shares * (1.0 if is_cbow else around)
        if self._has_words_outside:
            weights = noise_weights(self._config, self._counts)
            drawn = weights / weights.sum() * self._config.negatives * predicted.sum()
            return shares * around, predicted + drawn
        tree: Tree = self._own[0]
        nodes: Any = np.bincount(
            tree.nodes, np.repeat(predicted, np.diff(tree.starts)), len(self.outer)
        )
        return shares * around, nodes

    def train(
        self,
        block: Block,
        rates: tuple[float, float],
        *names: int,
        tables: tuple[Table, Table] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Learn from a block, at a rate that goes evenly from the first to the second.

        Args:
            block: of text.
            rates: 0 changes nothing.
            names: of the block, such as epoch and number: its draws follow from them.
            tables: inner and outer ones to change in the place of these.

        Returns:
            Summed loss, predictions and tokens, [3]. The loss of a prediction is its negative
            log-likelihood, noise words and all.
        """
        sums = np.zeros(3)
        if len(block.ends):
            state = np.array([derive("block", self._seed, *names) | 1], np.uint64)
            text = Text(block.tokens, block.ends, self._first, self._keep)
            rate = np.array(rates, np.float32)
            changed = tables or (self.inner, self.outer)
            self._kernel(text, *changed, self._window, rate, state, sums, *self._own)
        return sums


def _kernel(config: SkipGramConfig, counts: Counts) -> tuple[Any, list[Any]]:
    """Return the compiled loop and its own arguments."""
    is_cbow = isinstance(config, CBOWConfig)
    if config.output == "negative_sampling":
        function = cbow.cbow_negative if is_cbow else skipgram.skipgram_negative
        tables = alias_tables(noise_weights(config, counts))
        own: list[Any] = [Noise(*tables, config.negatives, config.shared_negatives)]
    else:
        function = cbow.cbow_hierarchical if is_cbow else skipgram.skipgram_hierarchical
        own = [huffman_tree(counts)]
    return function, [*own, config.divided_gradient] if isinstance(config, CBOWConfig) else own


def noise_weights(config: SkipGramConfig, counts: Counts) -> Doubles:
    """Return the weights that noise words are drawn by, [vocab]."""
    weights, met = np.zeros(len(counts)), counts > 0
    weights[met] = (counts[met] / counts.max()) ** config.noise_power
    return weights


def alias_tables(weights: npt.NDArray[np.float64]) -> tuple[Table, Counts]:
    """Return the tables to draw by weights with in two steps (Walker 1977; Vose 1991).

    A number i from 0 to n - 1 is drawn, and kept with the chance ``accept[i]``, else it becomes
    ``alias[i]``.

    Args:
        weights: not negative, some over 0, [n].
    """
    share = (weights / weights.sum() * len(weights)).tolist()
    accept, alias = np.ones(len(share), np.float32), np.arange(len(share))
    small = [i for i, x in enumerate(share) if x < 1]
    large = [i for i, x in enumerate(share) if x >= 1]
    while small and large:
        lack, gives = small.pop(), large[-1]
        accept[lack], alias[lack] = share[lack], gives
        share[gives] -= 1 - share[lack]
        if share[gives] < 1:
            small.append(large.pop())
    # What rounding left over has its whole share, unless it has none.
    for i in small:
        if weights[i] == 0:
            accept[i], alias[i] = 0, int(weights.argmax())
    return accept, alias
