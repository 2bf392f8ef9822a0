"""Learning byte-pair encodings (Sennrich et al. 2016), as GPT has them, and as GPT-2 has them.

GPT (Radford et al. 2018) joins letters, the last of a word with a mark; GPT-2 (Radford et al.
2019) joins bytes, so nothing is unknown to it. As for WordPiece, words are counted first, in
bounded memory, and every letter is given to the trainer of the library with a fixed number: what
it learns then depends on the corpus alone.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from gloze.core.errors import ConfigError
from gloze.core.progress import say
from gloze.tokenizers.byte_words import BYTE_LETTERS, ByteWords, in_byte_letters
from gloze.tokenizers.counting import count_and_tell
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
    from collections.abc import Callable, Iterator, Sequence

    from gloze.tokenizers.config import TokenizerConfig

Merges = list[tuple[str, str]]
END = "</w>"


def learn_bpe(texts: Callable[[], Iterator[str]], config: TokenizerConfig) -> Tokenizer:
    """Learn exactly ``config.vocab_size`` tokens, joined from the letters of ``texts()``.

    Depends on the texts, their order and the settings alone; memory is bounded.

    Raises:
        DataError: if the corpus is empty or too small for so large a vocabulary.
        ConfigError: if special tokens and letters alone are more than the vocabulary.
    """
    normalizer = bert_normalizer(config)
    words = BertWords(normalizer, pre_tokenizers.BertPreTokenizer())
    counts = count_and_tell(texts(), words)
    met = count_letters(counts)
    letters = kept_letters(met, config)
    # What is always a word of its own ends one, and is in no pair.
    inner = [letter for letter in letters if not words.is_isolated(letter)]
    fixed = [*SpecialTokens().all, *inner, *(letter + END for letter in letters)]
    check_room(fixed, len(letters), config)
    vocab, merges = _train(counts, frozenset(inner), fixed, config)
    share = sum(met[letter] for letter in letters) / met.total()
    say(
        f"{len(merges):,} pairs were joined, of {len(letters):,} letters, which make up {share:.2%}"
        " of the text's."
    )
    return bpe_tokenizer(vocab, merges, SpecialTokens(), normalizer)


def learn_byte_bpe(texts: Callable[[], Iterator[str]], config: TokenizerConfig) -> Tokenizer:
    """Learn exactly ``config.vocab_size`` tokens, joined from the bytes of ``texts()``.

    Depends on the texts, their order and the settings alone; memory is bounded.

    Raises:
        DataError: if the corpus is empty or too small for so large a vocabulary.
        ConfigError: if special tokens and the 256 bytes alone are more than the vocabulary.
    """
    letters = sorted(BYTE_LETTERS.values())
    fixed = [*SpecialTokens().all, *letters]
    if len(fixed) > config.vocab_size:
        raise ConfigError(
            f"vocab_size {config.vocab_size} is too small: 5 special tokens and the 256 bytes are "
            f"{len(fixed)}. Use --vocab-size {len(fixed)} or more (tokenizer.vocab_size in a "
            "recipe)."
        )
    counts = count_and_tell(texts(), ByteWords(_by_bytes()))
    counts = Counter({in_byte_letters(word): count for word, count in counts.items()})
    vocab, merges = _train(counts, frozenset(letters), fixed, config)
    say(f"{len(merges):,} pairs were joined, of the 256 bytes: no text is unknown.")
    return bpe_tokenizer(vocab, merges, SpecialTokens())


def _by_bytes() -> pre_tokenizers.ByteLevel:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def _train(
    counts: Counter[str], letters: frozenset[str], fixed: list[str], config: TokenizerConfig
) -> tuple[dict[str, int], Merges]:
    """Return token to id, ``fixed`` first, and the pairs in the order they were joined.

    Raises:
        DataError: if there are not enough of them.
    """
    suffix = END if config.kind == "bpe" else ""
    library = tokenizers.Tokenizer(models.BPE(end_of_word_suffix=suffix))
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        min_frequency=least_count(config),
        show_progress=False,
        special_tokens=fixed,
        end_of_word_suffix=suffix,
    )
    with library_errors("cannot learn a vocabulary"):
        library.train_from_iterator(repeated(counts, letters), trainer=trainer)
    vocab = library.get_vocab()
    check_reached(vocab, config)
    merges = json.loads(library.to_str())["model"]["merges"]
    return vocab, [(first, second) for first, second in merges]


def bpe_tokenizer(
    vocab: dict[str, int],
    merges: Merges,
    special: SpecialTokens,
    normalizer: normalizers.BertNormalizer | None = None,
    added: Sequence[tokenizers.AddedToken] = (),
) -> Tokenizer:
    """Return the tokenizer of GPT, or that of GPT-2 where nothing normalizes the text.

    Args:
        vocab: token to id.
        merges: the pairs to join, first those that were joined first.
        special: tokens that sequences are made with.
        normalizer: what becomes of capitals and accents.
        added: tokens after the vocabulary.
    """
    by_letters = normalizer is not None
    model = models.BPE(
        vocab=vocab,
        merges=merges,
        unk_token=special.unk if by_letters else None,
        # Written out, as transformers does.
        continuing_subword_prefix="",
        end_of_word_suffix=END if by_letters else "",
    )
    library = tokenizers.Tokenizer(model)
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer() if by_letters else _by_bytes()
    library.decoder = decoders.BPEDecoder(suffix=END) if by_letters else decoders.ByteLevel()
    if normalizer is not None:
        library.normalizer = normalizer
    library.add_tokens(list(added))
    library.add_special_tokens(list(special.all))
    if special == SpecialTokens():
        ends = [(token, vocab[token]) for token in (special.sep, special.cls)]
        library.post_processor = processors.BertProcessing(*ends)
    return Tokenizer(json.loads(library.to_str()), special)
