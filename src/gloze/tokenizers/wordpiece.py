"""Learning a WordPiece vocabulary (Schuster and Nakajima 2012; Devlin et al. 2019, 3).

The library's trainer numbers letters in the order of a hash table, so two runs differ. Here words
are counted first, in bounded memory; then every letter is given to the trainer with a fixed
number, and the counted words are fed to it. What it learns then depends on the corpus alone.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from gloze.core.errors import ConfigError, DataError
from gloze.core.progress import say
from gloze.tokenizers.counting import MAX_WORD_CHARACTERS, count_words
from gloze.tokenizers.library import library_errors
from gloze.tokenizers.tokenizer import SpecialTokens, Tokenizer
from gloze.tokenizers.words import BertWords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gloze.tokenizers.config import TokenizerConfig

MAX_FED_WORDS = 200_000_000
USUAL_ALPHABET = 1000
COVERED = 0.9999
MIN_COUNT = 2
_PREFIX = "##"


def learn_wordpiece(texts: Callable[[], Iterator[str]], config: TokenizerConfig) -> Tokenizer:
    """Learn a vocabulary of exactly ``config.vocab_size`` tokens from ``texts()``.

    Depends on the texts, their order and the settings alone; memory is bounded.

    Raises:
        DataError: if the corpus is empty or too small for so large a vocabulary.
        ConfigError: if special tokens and letters alone are more than the vocabulary.
    """
    # Not told, accents go with capitals.
    strip = False if config.keep_accents else None
    normalizer = normalizers.BertNormalizer(lowercase=not config.cased, strip_accents=strip)
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
    vocab = _train(counts.words, frozenset(letters), fixed, config)
    if len(vocab) < config.vocab_size:
        raise DataError(
            f"the corpus supports {len(vocab)} tokens, not the {config.vocab_size} asked for.",
            hint=f"Use --vocab-size {len(vocab)} (tokenizer.vocab_size in a recipe), or a larger "
            "corpus.",
        )
    return bert_tokenizer(vocab, normalizer)


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
    counts: Counter[str], letters: frozenset[str], fixed: list[str], config: TokenizerConfig
) -> dict[str, int]:
    """Return token to id: ``fixed`` first, then pieces in the order they were learned."""
    library = tokenizers.Tokenizer(models.WordPiece(unk_token=SpecialTokens().unk))
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=config.vocab_size,
        min_frequency=MIN_COUNT if config.min_count is None else config.min_count,
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
