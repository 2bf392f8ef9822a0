"""The tokenizer of a table of word vectors: every word of it is a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tokenizers

from gloze.core.ranges import places
from gloze.tokenizers.special import SpecialTokens
from gloze.tokenizers.tokenizer import Tokenizer
from gloze.tokenizers.whole_words import definition_of, plain_words, segmenter_of
from gloze.tokenizers.words import WordEncoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from gloze.tokenizers.config import TokenizerConfig
    from gloze.tokenizers.tokenizer import Ids


class TableTokenizer(Tokenizer):
    """Cuts texts into the words of a table, row ``n`` being token ``n + 5``.

    A word that is not there as it is written is looked for without regard to capitals, the first
    of those that differ in case alone; if there is none it is unknown. Words that are given as
    such, as those of a tagged sentence, are one token each, whatever marks stand in them.

    Args:
        words: of the rows, all different, none written like a special token.
        cut: what becomes of capitals and accents, and what parts words.
    """

    def __init__(self, words: Sequence[str], cut: TokenizerConfig) -> None:
        super().__init__(definition_of(words, cut), None, segmenter_of(cut.split))
        self._cut, first = cut, len(SpecialTokens().all)
        self._folded: dict[str, int] = {}
        if cut.cased:
            for number, word in enumerate(self._tokens[first:], first):
                self._folded.setdefault(word.lower(), number)
        assert self._fast is not None
        self._fast = WordEncoder(
            self._fast.words,
            _Folding(self),
            unk_id=self.unk_id,
            max_word_characters=1 << 10,
            special=frozenset(self.special_tokens.all),
        )

    def __reduce__(self) -> Any:
        return TableTokenizer, (self._tokens[len(self.special_tokens.all) :], self._cut)

    def id_of(self, word: str) -> int:
        """Return the id of a word whose capitals and accents are those of the table."""
        if word in self.special_tokens.all:
            return self.unk_id
        found = self._ids.get(word)
        return self._folded.get(word.lower(), self.unk_id) if found is None else found

    def encode_words(
        self, texts: Sequence[Sequence[str]]
    ) -> tuple[Ids, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the ids of texts that are cut into words already, one for each word.

        A word of which nothing is left has none; see :meth:`Tokenizer.encode_words`.
        """
        words = plain_words([word for text in texts for word in text], self._cut)
        known = {word: self.id_of(word) if word else -1 for word in set(words)}
        found = np.array([known[word] for word in words], np.int32)
        sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        is_left = found >= 0
        owner = np.repeat(np.arange(len(texts)), sizes)
        lengths = np.bincount(owner[is_left], minlength=len(texts))
        return found[is_left], lengths, places(sizes)[is_left]


class _Folding:
    """Words to ids, in the place of the library's model."""

    def __init__(self, tokenizer: TableTokenizer) -> None:
        self._tokenizer = tokenizer

    def tokenize(self, word: str) -> list[tokenizers.Token]:
        """Return the one token of a word."""
        return [tokenizers.Token(self._tokenizer.id_of(word), word, (0, len(word)))]
