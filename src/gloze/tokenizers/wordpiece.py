"""Learning a WordPiece vocabulary (Schuster and Nakajima 2012; Devlin et al. 2019, 3).

The library's trainer numbers letters in the order of a hash table, so two runs differ. Here words
are counted first, in bounded memory; then every letter is given to the trainer with a fixed
number, and the counted words are fed to it. What it learns then depends on the corpus alone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from gloze.tokenizers.counting import MAX_WORD_CHARACTERS, count_and_tell
from gloze.tokenizers.library import library_errors
from gloze.tokenizers.pieces import (
    bert_normalizer,
    check_reached,
    check_room,
    count_letters,
    kept_letters,
    least_count,
    repeated,
)
from gloze.tokenizers.special import SpecialTokens
from gloze.tokenizers.tokenizer import Tokenizer
from gloze.tokenizers.words import BertWords

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Sequence

    from gloze.tokenizers.config import TokenizerConfig

_PREFIX = "##"


def learn_wordpiece(texts: Callable[[], Iterator[str]], config: TokenizerConfig) -> Tokenizer:
    """Learn a vocabulary of exactly ``config.vocab_size`` tokens from ``texts()``.

    Depends on the texts, their order and the settings alone; memory is bounded.

    Raises:
        DataError: if the corpus is empty or too small for so large a vocabulary.
        ConfigError: if special tokens and letters alone are more than the vocabulary.
    """
    normalizer = bert_normalizer(config)
    words = BertWords(normalizer, pre_tokenizers.BertPreTokenizer())
    counts = count_and_tell(texts(), words)
    letters = kept_letters(count_letters(counts), config)
    fixed = [*SpecialTokens().all, *letters]
    fixed += [_PREFIX + letter for letter in letters if not words.is_isolated(letter)]
    check_room(fixed, len(letters), config)
    vocab = _train(counts, frozenset(letters), fixed, config)
    check_reached(vocab, config)
    return bert_tokenizer(vocab, normalizer)


def _train(
    counts: Counter[str], letters: frozenset[str], fixed: list[str], config: TokenizerConfig
) -> dict[str, int]:
    """Return token to id: ``fixed`` first, then pieces in the order they were learned."""
    library = tokenizers.Tokenizer(models.WordPiece(unk_token=SpecialTokens().unk))
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=config.vocab_size,
        min_frequency=least_count(config),
        show_progress=False,
        special_tokens=fixed,
        continuing_subword_prefix=_PREFIX,
    )
    with library_errors("cannot learn a vocabulary"):
        library.train_from_iterator(repeated(counts, letters), trainer=trainer)
    return library.get_vocab()


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
