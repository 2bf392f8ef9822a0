"""Learning a vocabulary of any kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gloze.tokenizers.bpe import learn_bpe, learn_byte_bpe
from gloze.tokenizers.config import Kind, TokenizerConfig
from gloze.tokenizers.tokenizer import Tokenizer
from gloze.tokenizers.whole_words import learn_whole_words
from gloze.tokenizers.wordpiece import learn_wordpiece

_PIECES: dict[Kind, Callable[[Callable[[], Iterator[str]], TokenizerConfig], Tokenizer]] = {
    "wordpiece": learn_wordpiece,
    "bpe": learn_bpe,
    "byte_bpe": learn_byte_bpe,
}


def learn_tokenizer(
    texts: Callable[[], Iterator[str]], config: TokenizerConfig, before: Sequence[str] = ()
) -> Tokenizer:
    """Learn a vocabulary from ``texts()``.

    Depends on the texts, their order and the settings alone; memory is bounded.

    Args:
        texts: returns the texts anew.
        config: of the vocabulary.
        before: of whole words: some that come first, met or not.

    Raises:
        DataError: if the corpus is empty or too small for such a vocabulary.
        ConfigError: if special tokens and letters alone are more than the vocabulary.
    """
    if config.kind == "words":
        return learn_whole_words(texts, config, before)
    return _PIECES[config.kind](texts, config)
