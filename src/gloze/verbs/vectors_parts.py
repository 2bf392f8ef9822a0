"""What a training of word vectors is given, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gloze.core.progress import say

if TYPE_CHECKING:
    from pathlib import Path

    from gloze.config.vectors import VectorsConfig
    from gloze.data.shards import Shards
    from gloze.tokenizers import Tokenizer
    from gloze.vectors.table import WordVectors

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class VectorsTask:
    """What is to be learned.

    Attributes:
        config: the recipe.
        train, valid: the text.
        tokenizer: of it.
        counts: how often each token is met in ``train``, [vocab].
        first_word: lowest id of a word.
        start: vectors to begin with, or None.
        output: the run folder.
    """

    config: VectorsConfig
    train: Shards
    valid: Shards
    tokenizer: Tokenizer
    counts: Counts
    first_word: int
    start: WordVectors | None
    output: Path

    def words(self) -> Counts:
        """Return the tokens that are words, the most frequent first."""
        first = self.first_word
        return first + np.argsort(-self.counts[first:], kind="stable")

    def tell_known(self, known: int) -> None:
        """Say how many words begin with vectors there are."""
        words, start = self.tokenizer.vocab_size - self.first_word, self.start
        say(f"{known:,} words begin with their old vectors, {words - known:,} anew.")
        if start is not None and known < len(start):
            say(f"{len(start) - known:,} old words are not in this vocabulary, and left out.")


@dataclass(frozen=True)
class Learned:
    """What was learned.

    Attributes:
        ids: tokens of the rows.
        inner: vectors that words are looked up by, [rows, size].
        outer: the other ones, [rows, size], or None if they are not of words.
        tokens: learned from, over all epochs.
        seconds: what it took.
        losses: mean loss of each epoch.
        figures: what else is known, by name.
    """

    ids: Counts
    inner: Floats
    outer: Floats | None
    tokens: int
    seconds: float
    losses: list[float] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
