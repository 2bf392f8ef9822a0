"""Counting the words of a corpus in bounded memory: what vocabularies are learned from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gloze.core.errors import DataError
from gloze.core.progress import say
from gloze.tokenizers.words import BREAK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gloze.tokenizers.words import Words

MAX_WORD_CHARACTERS = (
    100  # longer words are unknown to WordPiece, as in BERT's own code; none is learned from
)
MAX_WORDS = 500_000
_BATCH_CHARACTERS = 1 << 20


@dataclass
class WordCounts:
    """How often each word was met, for at most :data:`MAX_WORDS` words at a time.

    Exact up to that many different words. Beyond, the rarest are forgotten whenever the table
    is twice as long, and at the end (Manku and Motwani 2002, lossy counting), which depends on
    the text alone.
    """

    words: Counter[str] = field(default_factory=Counter)
    max_words: int = MAX_WORDS
    too_long: int = 0
    forgotten: int = 0
    threshold: int = 0

    def add(self, words: Iterable[str]) -> None:
        """Count ``words``."""
        self.words.update(words)
        if len(self.words) > 2 * self.max_words:
            self.close()

    def close(self) -> None:
        """Drop what is no word, words that are too long, and the rarest over the bound."""
        del self.words[BREAK]
        for word in [word for word in self.words if len(word) > MAX_WORD_CHARACTERS]:
            self.too_long += self.words.pop(word)
        while len(self.words) > self.max_words:
            self.threshold += 1
            kept = Counter({w: c for w, c in self.words.items() if c > self.threshold})
            self.forgotten += len(self.words) - len(kept)
            self.words = kept

    def told(self) -> list[str]:
        """Return what was not counted, in sentences."""
        told = []
        if self.too_long:
            told.append(
                f"{self.too_long:,} words of over {MAX_WORD_CHARACTERS} characters are not learned "
                "from."
            )
        if self.forgotten:
            told.append(
                f"The corpus has over {self.max_words:,} different words: {self.forgotten:,} times "
                f"a rare one was dropped, and counts are short by {self.threshold} at most."
            )
        return told


def count_words(texts: Iterable[str], words: Words, counts: WordCounts | None = None) -> WordCounts:
    """Count the words of all texts, into ``counts`` if given.

    Raises:
        DataError: if there are none.
    """
    counts = counts or WordCounts()
    for batch in _batches(texts):
        counts.add(words.split(batch))
    counts.close()
    if not counts.words:
        raise DataError("the corpus has no words to learn from.", hint="Check the input files.")
    return counts


def count_and_tell(
    texts: Iterable[str], words: Words, counts: WordCounts | None = None
) -> Counter[str]:
    """Return how often each word of all texts was met, and say what was not counted.

    Raises:
        DataError: if there are none.
    """
    found = count_words(texts, words, counts)
    for sentence in found.told():
        say(sentence)
    return found.words


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text) + 1
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
