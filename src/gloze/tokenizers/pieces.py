"""What learning pieces of words takes, whatever the kind: letters, and words to count pairs in."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from tokenizers import normalizers

from gloze.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gloze.tokenizers.config import TokenizerConfig

MAX_FED_WORDS = 200_000_000
USUAL_ALPHABET = 1000
COVERED = 0.9999
MIN_COUNT = 2


def bert_normalizer(config: TokenizerConfig) -> normalizers.BertNormalizer:
    """Return what makes letters of a text alike, as BERT does."""
    # Not told, accents go with capitals.
    strip = False if config.keep_accents else None
    return normalizers.BertNormalizer(lowercase=not config.cased, strip_accents=strip)


def count_letters(words: Counter[str]) -> Counter[str]:
    """Return how often each letter was met in counted words."""
    letters: Counter[str] = Counter()
    for word, count in words.items():
        for letter in word:
            letters[letter] += count
    return letters


def kept_letters(letters: Counter[str], config: TokenizerConfig) -> list[str]:
    """Return the letters to keep, by code point."""
    ranked = sorted(letters, key=lambda letter: (-letters[letter], letter))
    limit = config.limit_alphabet
    if limit is None:
        limit, covered = 0, 0
        needed = COVERED * letters.total()
        while limit < len(ranked) and (limit < USUAL_ALPHABET or covered < needed):
            covered += letters[ranked[limit]]
            limit += 1
    return sorted(ranked[:limit])


def least_count(config: TokenizerConfig) -> int:
    """Return how often a pair of pieces has to be met to be joined."""
    return MIN_COUNT if config.min_count is None else config.min_count


def repeated(counts: Counter[str], letters: frozenset[str]) -> Iterator[str]:
    """Yield every word as often as it was counted: the trainer takes no counts.

    Counts are scaled down when there are over :data:`MAX_FED_WORDS`. Words with other ``letters``
    are left out.
    """
    scale = -(-counts.total() // MAX_FED_WORDS)
    kept = (item for item in counts.items() if letters.issuperset(item[0]))
    while some := list(islice(kept, 256)):
        line: list[str] = []
        for word, count in some:
            times = count // scale
            while len(line) + times > 8192:
                taken = 8192 - len(line)
                line += [word] * taken
                yield " ".join(line)
                line, times = [], times - taken
            line += [word] * times
        yield " ".join(line)


def check_room(fixed: Collection[str], num_letters: int, config: TokenizerConfig) -> None:
    """Refuse a vocabulary that is smaller than special tokens and letters.

    Raises:
        ConfigError: with the least that works.
    """
    if len(fixed) > config.vocab_size:
        raise ConfigError(
            f"vocab_size {config.vocab_size} is too small: 5 special tokens, {num_letters} "
            f"letters and their other forms in a word are {len(fixed)}. "
            f"Use --vocab-size {len(fixed)} or more (tokenizer.vocab_size in a "
            f"recipe), or --limit-alphabet {num_letters // 2}."
        )


def check_reached(vocab: Collection[str], config: TokenizerConfig) -> None:
    """Refuse a vocabulary that the corpus has not enough pairs for.

    Raises:
        DataError: with the most that the corpus supports.
    """
    if len(vocab) < config.vocab_size:
        raise DataError(
            f"the corpus supports {len(vocab)} tokens, not the {config.vocab_size} asked for.",
            hint=f"Use --vocab-size {len(vocab)} (tokenizer.vocab_size in a recipe), or a larger "
            "corpus.",
        )
