"""Words as the bytes they are written in: what encoders that read characters are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError
from gloze.core.ranges import places
from gloze.tokenizers.words import BREAK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.tokenizers.tokenizer import Tokenizer
    from gloze.tokenizers.words import BertWords

Spelled = npt.NDArray[np.uint8]
# No word has these bytes: UTF-8 knows them not.
BEGIN, END = 254, 255


def spell(words: Sequence[str], size: int) -> Spelled:
    """Return the first ``size`` bytes of each word in UTF-8, zeros after its end, [words, size]."""
    encoded = [word.replace("\0", "").encode("utf-8", "ignore")[:size] for word in words]
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    found = np.zeros((len(encoded), size), dtype=np.uint8)
    rows = np.repeat(np.arange(len(encoded)), lengths)
    found[rows, places(lengths)] = np.frombuffer(b"".join(encoded), np.uint8)
    return found


def spell_marks(size: int) -> Spelled:
    """Return what stands for the begin and the end of a text, [2, size]."""
    found = np.zeros((2, size), dtype=np.uint8)
    found[:, 0] = BEGIN, END
    return found


def spell_vocabulary(tokenizer: Tokenizer, size: int) -> Spelled:
    """Return the bytes of each entry of a vocabulary of words, [vocab, size].

    [CLS] and [SEP] are the marks of a text's begin and end.

    Raises:
        ConfigError: if it is no vocabulary of words.
    """
    _cutter(tokenizer)
    found = spell(tokenizer.tokens(range(tokenizer.vocab_size)), size)
    found[[tokenizer.cls_id, tokenizer.sep_id]] = spell_marks(size)
    return found


def spell_texts(tokenizer: Tokenizer, texts: Sequence[str], size: int) -> Spelled:
    """Return the bytes of each token of ``tokenizer.encode(texts)``, [tokens, size].

    They are the word's own, whether it is in the vocabulary or not.

    Raises:
        ConfigError: if the tokenizer is none of words.
    """
    words = _cutter(tokenizer)
    if tokenizer.segmenter is not None:
        texts = [tokenizer.segmenter.parted(text) for text in texts]
    return spell([word for word in words.split(texts) if word != BREAK], size)


def _cutter(tokenizer: Tokenizer) -> BertWords:
    if tokenizer.kind != "WordLevel" or tokenizer.words is None:
        raise ConfigError(
            f"An encoder that reads characters reads those of words, and this tokenizer "
            f"({tokenizer.kind}) has pieces: make one with gloze tokenizer --kind words "
            "(tokenizer.kind=words)."
        )
    return tokenizer.words
