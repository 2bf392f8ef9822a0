"""Learning a WordPiece vocabulary (Schuster and Nakajima 2012; Devlin et al. 2019, 3).

The library's trainer numbers letters in the order of a hash table, so two runs differ. Here words
are counted first, in bounded memory; then every letter is given to the trainer with a fixed
number, and the counted words are fed to it. What it learns then depends on the corpus alone.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Literal

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from gloze.core.errors import ConfigError, DataError
from gloze.core.progress import say
from gloze.core.settings import Settings
from gloze.tokenizers.tokenizer import SpecialTokens, Tokenizer, library_errors
from gloze.tokenizers.words import BREAK, BertWords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MAX_WORD_CHARACTERS = 100  # longer words are unknown to WordPiece, as in BERT's own code
MAX_WORDS = 500_000
MAX_FED_WORDS = 200_000_000
USUAL_ALPHABET = 1000
COVERED = 0.9999
MIN_COUNT = 2
_BATCH_CHARACTERS = 1 << 20
_PREFIX = "##"


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig(Settings):
    """How a vocabulary is learned.

    Attributes:
        kind: WordPiece is the only one so far.
        vocab_size: number of tokens, special tokens and letters included.
        cased: keep capitals and accents; else both are removed.
        limit_alphabet: most letters kept, the most frequent first; by default 1000, and as many
            more as it takes to cover 99.99% of the text (Chinese needs some 5000).
    """

    kind: Literal["wordpiece"] = "wordpiece"
    vocab_size: int = 30522
    cased: bool = False
    limit_alphabet: int | None = None

    def __post_init__(self) -> None:
        if self.kind != "wordpiece":
            raise ConfigError(f"Unknown kind of tokenizer {self.kind!r}. Known: wordpiece.")
        if self.vocab_size < 6:
            raise ConfigError(
                f"vocab_size {self.vocab_size} has no room for the 5 special tokens and a letter."
            )
        if self.limit_alphabet is not None and self.limit_alphabet < 1:
            raise ConfigError(f"limit_alphabet {self.limit_alphabet} keeps no letter. Least: 1.")


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
        """Drop what is no word, words too long to have pieces, and the rarest over the bound."""
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
                f"{self.too_long:,} words of over {MAX_WORD_CHARACTERS} characters, which have no "
                "pieces, are not learned from."
            )
        if self.forgotten:
            told.append(
                f"The corpus has over {self.max_words:,} different words: {self.forgotten:,} times "
                f"a rare one was dropped, and counts are short by {self.threshold} at most."
            )
        return told


def learn_tokenizer(texts: Callable[[], Iterator[str]], config: TokenizerConfig) -> Tokenizer:
    """Learn a vocabulary of exactly ``config.vocab_size`` tokens from ``texts()``.

    Depends on the texts, their order and the settings alone; memory is bounded.

    Raises:
        DataError: if the corpus is empty or too small for so large a vocabulary.
        ConfigError: if special tokens and letters alone are more than the vocabulary.
    """
    normalizer = normalizers.BertNormalizer(lowercase=not config.cased)
    words = BertWords(normalizer, pre_tokenizers.BertPreTokenizer())
    counts = count_words(texts(), words)
    for sentence in counts.told():
        say(sentence)
    letters = _alphabet(counts.words, config)
    fixed = [*SpecialTokens().all, *letters]
    fixed += [_PREFIX + letter for letter in letters if not words.is_isolated(letter)]
    if len(fixed) > config.vocab_size:
        raise ConfigError(
            f"vocab_size {config.vocab_size} is too small: 5 special tokens, {len(letters)} "
            f"letters and their forms inside a word are {len(fixed)}. "
            f"Use --vocab-size {len(fixed)} or more (tokenizer.vocab_size in a "
            f"recipe), or --limit-alphabet {len(letters) // 2}."
        )
    vocab = _train(counts.words, frozenset(letters), fixed, config.vocab_size)
    if len(vocab) < config.vocab_size:
        raise DataError(
            f"the corpus supports {len(vocab)} tokens, not the {config.vocab_size} asked for.",
            hint=f"Use --vocab-size {len(vocab)} (tokenizer.vocab_size in a recipe), or a larger "
            "corpus.",
        )
    return bert_tokenizer(vocab, normalizer)


def count_words(texts: Iterable[str], words: BertWords) -> WordCounts:
    """Count the words of all texts, cut in BERT's way.

    Raises:
        DataError: if there are none.
    """
    counts = WordCounts()
    for batch in _batches(texts):
        counts.add(words.split(batch))
    counts.close()
    if not counts.words:
        raise DataError("the corpus has no words to learn from.", hint="Check the input files.")
    return counts


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


def _alphabet(counts: Counter[str], config: TokenizerConfig) -> list[str]:
    """Return the letters to keep, by code point."""
    letters: Counter[str] = Counter()
    for word, count in counts.items():
        for letter in word:
            letters[letter] += count
    ranked = sorted(letters, key=lambda letter: (-letters[letter], letter))
    limit = config.limit_alphabet
    if limit is None:
        limit, covered = 0, 0
        needed = COVERED * letters.total()
        while limit < len(ranked) and (limit < USUAL_ALPHABET or covered < needed):
            covered += letters[ranked[limit]]
            limit += 1
    return sorted(ranked[:limit])


def _train(
    counts: Counter[str], letters: frozenset[str], fixed: list[str], vocab_size: int
) -> dict[str, int]:
    """Return token to id: ``fixed`` first, then pieces in the order they were learned."""
    library = tokenizers.Tokenizer(models.WordPiece(unk_token=SpecialTokens().unk))
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=MIN_COUNT,
        show_progress=False,
        special_tokens=fixed,
        continuing_subword_prefix=_PREFIX,
    )
    with library_errors("cannot learn a vocabulary"):
        library.train_from_iterator(_repeated(counts, letters), trainer=trainer)
    return library.get_vocab()


def _repeated(counts: Counter[str], letters: frozenset[str]) -> Iterator[str]:
    """Yield every word as often as it was counted: the trainer takes no counts.

    Counts are scaled down when there are over :data:`MAX_FED_WORDS`. Words with a letter that
    is not kept have no pieces, so nothing is learned from them.
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


def bert_tokenizer(
    vocab: dict[str, int],
    normalizer: normalizers.BertNormalizer,
    added: Sequence[tokenizers.AddedToken] = (),
) -> Tokenizer:
    """Return BERT's tokenizer over ``vocab`` (token to id), with tokens added after it."""
    special = SpecialTokens()
    model = models.WordPiece(
        vocab=vocab, unk_token=special.unk, max_input_chars_per_word=MAX_WORD_CHARACTERS
    )
    library = tokenizers.Tokenizer(model)
    library.normalizer = normalizer
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.WordPiece(prefix=_PREFIX)
    library.add_special_tokens(list(special.all))
    library.add_tokens(list(added))
    ends = [(token, vocab[token]) for token in (special.sep, special.cls)]
    library.post_processor = processors.BertProcessing(*ends)
    return Tokenizer(json.loads(library.to_str()))
