"""Learning a vocabulary of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gloze.tokenizers.whole_words import learn_whole_words
from gloze.tokenizers.wordpiece import learn_wordpiece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gloze.tokenizers.config import TokenizerConfig
    from gloze.tokenizers.tokenizer import Tokenizer

_LEARN = {"wordpiece": learn_wordpiece, "words": learn_whole_words}


def learn_tokenizer(texts: Callable[[], Iterator[str]], config: TokenizerConfig) -> Tokenizer:
    """Learn a vocabulary from ``texts()``.

    Depends on the texts, their order and the settings alone; memory is bounded.

    Raises:
        DataError: if the corpus is empty or too small for such a vocabulary.
        ConfigError: if special tokens and letters alone are more than the vocabulary.
    """
    return _LEARN[config.kind](texts, config)
