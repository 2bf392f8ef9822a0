"""Learning a vocabulary of whole words: those met most often."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors

from gloze.core.errors import DataError
from gloze.core.progress import say
from gloze.tokenizers.counting import MAX_WORDS, WordCounts, count_and_tell
from gloze.tokenizers.segmenters import load_segmenter
from gloze.tokenizers.special import SpecialTokens
from gloze.tokenizers.tokenizer import Tokenizer
from gloze.tokenizers.words import BREAK, BertWords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from gloze.tokenizers.config import Split, TokenizerConfig
    from gloze.tokenizers.segmenters import Segmenter

MIN_COUNT = 5


def learn_whole_words(
    texts: Callable[[], Iterator[str]], config: TokenizerConfig, before: Sequence[str] = ()
) -> Tokenizer:
    """Learn a vocabulary of the words met most often in ``texts()``, ties by code point.

    There are ``config.vocab_size`` tokens at most, special tokens included, and every word was
    met ``config.min_count`` times. Words written like special tokens are not learned.

    Args:
        texts: returns the texts anew.
        config: of the vocabulary.
        before: words that come first, met or not; they may alone be more than the most.

    Raises:
        DataError: if no word was met often enough.
        MissingExtraError: if the words are jieba's, which is not installed.
    """
    least = MIN_COUNT if config.min_count is None else config.min_count
    special = SpecialTokens().all
    counts = WordCounts(max_words=max(MAX_WORDS, 2 * config.vocab_size))
    segmenter = segmenter_of(config.split)
    parted = texts() if segmenter is None else map(segmenter.parted, texts())
    found = count_and_tell(parted, BertWords(*_parts(config)), counts)
    known = {word: n for word, n in found.items() if n >= least and word not in special}
    if not known and not before:
        raise DataError(
            f"no word of the corpus is met {least} times.",
            hint="Use a lower --min-count (tokenizer.min_count in a recipe), or a larger corpus.",
        )
    ranked = sorted(known, key=lambda word: (-known[word], word))
    given = [word for word in before if word not in special]
    if len(given) < len(before):
        say(f"{len(before) - len(given)} words written like special tokens are left out.")
    set_of_given = set(given)
    new = (word for word in ranked if word not in set_of_given)
    words = [*given, *islice(new, max(0, config.vocab_size - len(special) - len(given)))]
    share = sum(found[word] for word in words) / found.total()
    say(
        f"{len(words):,} words are in the vocabulary, of {len(found):,} different ones in "
        f"the text; they make up {share:.2%} of it."
    )
    return word_level_tokenizer(words, config)


def word_level_tokenizer(words: Iterable[str], config: TokenizerConfig) -> Tokenizer:
    """Return a tokenizer whose tokens are the five special ones and then ``words``."""
    return Tokenizer(definition_of(words, config), SpecialTokens(), segmenter_of(config.split))


def definition_of(words: Iterable[str], config: TokenizerConfig) -> dict[str, Any]:
    """Return the content of the ``tokenizer.json`` of :func:`word_level_tokenizer`."""
    special = SpecialTokens()
    vocab = {token: number for number, token in enumerate([*special.all, *words])}
    library = tokenizers.Tokenizer(models.WordLevel(vocab=vocab, unk_token=special.unk))
    library.normalizer, library.pre_tokenizer = _parts(config)
    library.add_special_tokens(list(special.all))
    ends = [(token, vocab[token]) for token in (special.sep, special.cls)]
    library.post_processor = processors.BertProcessing(*ends)
    found: dict[str, Any] = json.loads(library.to_str())
    return found


def cut_words(
    texts: Sequence[str], config: TokenizerConfig
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the words of all texts end to end, as a vocabulary of words has them, and how many.

    Args:
        texts: of any length.
        config: what becomes of capitals and accents, and what parts words.
    """
    segmenter = segmenter_of(config.split)
    parted = texts if segmenter is None else list(map(segmenter.parted, texts))
    found = _cutter(config).split(parted)
    ends = np.array([place for place, word in enumerate(found) if word == BREAK], np.int64)
    return [word for word in found if word != BREAK], np.diff(ends, prepend=-1) - 1


def plain_words(words: Sequence[str], config: TokenizerConfig) -> list[str]:
    """Return words that were given as a vocabulary of words has them; nothing parts them.

    One of which nothing is left, such as a lone control character, is empty.
    """
    normalizer = _plain(config)
    known = {word: normalizer.normalize_str(word).strip() for word in dict.fromkeys(words)}
    return [known[word] for word in words]


@lru_cache
def _plain(config: TokenizerConfig) -> normalizers.BertNormalizer:
    # Marks and Chinese characters part nothing.
    return normalizers.BertNormalizer(
        lowercase=not config.cased,
        strip_accents=False if config.keep_accents else None,
        handle_chinese_chars=False,
    )


@lru_cache
def _cutter(config: TokenizerConfig) -> BertWords:
    return BertWords(*_parts(config))


def _parts(
    config: TokenizerConfig,
) -> tuple[normalizers.BertNormalizer, pre_tokenizers.PreTokenizer]:
    """Return what changes the characters of a text, and what parts its words."""
    by_marks = config.split == "punctuation"
    normalizer = normalizers.BertNormalizer(
        lowercase=not config.cased,
        # Not told, accents go with capitals.
        strip_accents=False if config.keep_accents else None,
        handle_chinese_chars=by_marks,
    )
    if by_marks:
        return normalizer, pre_tokenizers.BertPreTokenizer()
    return normalizer, pre_tokenizers.WhitespaceSplit()


def segmenter_of(split: Split) -> Segmenter | None:
    """Return what parts words where neither marks nor spaces do."""
    return load_segmenter("jieba") if split == "jieba" else None
