"""Text to words as BERT cuts it, and words to ids: the fast twin of the library's encoder.

BERT's normalizer treats every character by itself, and its pre-tokenizer looks at one character
at a time. So both together are a table from character to text, filled by asking the library
about each character once; cutting a text is then two string methods. Words repeat, so their
ids are looked up, and only a new word is cut into pieces, by the library's own model. A vocabulary
of whole words goes the same way, and so do GPT's byte pairs.
"""

from __future__ import annotations

import unicodedata
from array import array
from itertools import chain
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from gloze.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Token
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import PreTokenizer

# Stands between texts. No word is equal to it: BERT's normalizer removes the first character, and
# GPT-2 parts both.
BREAK = "\0a"
MAX_CACHED_WORDS = 1 << 17
MAX_CACHED_PIECES = 1 << 22
# Up to so many words of a single text a loop is sooner done than a dozen calls of NumPy.
FEW_WORDS = 64


class Words(Protocol):
    """What cuts texts into words."""

    def split(self, texts: Sequence[str], /) -> list[str]:
        """Return the words of all texts, with :data:`BREAK` after those of each text."""
        ...


class WordModel(Protocol):
    """What cuts a word into tokens."""

    def tokenize(self, word: str, /) -> list[Token]:
        """Return the tokens of a word."""
        ...


def refuse_half(code_point: int) -> None:
    """Refuse what is no character, which only text that was decoded wrongly has."""
    if 0xD800 <= code_point < 0xE000:
        raise DataError(
            f"the text has half of a surrogate pair (U+{code_point:04X}), no character.",
            hint="Decode the text again from its source, as UTF-8.",
        )


class _CharacterTable(dict[int, str]):
    """What each character becomes: nothing, a space, itself, or a word of its own."""

    def __init__(self, normalizer: BertNormalizer, pre_tokenizer: PreTokenizer) -> None:
        super().__init__({ord("\n"): f" {BREAK} "})
        self.normalizer, self.pre_tokenizer = normalizer, pre_tokenizer
        self.reordering: set[str] = set()

    def __missing__(self, code_point: int) -> str:
        refuse_half(code_point)
        character, result = chr(code_point), []
        for part in self.normalizer.normalize_str(character):
            if unicodedata.combining(part):
                self.reordering.add(character)
            pieces = len(self.pre_tokenizer.pre_tokenize_str(f"a{part}a"))
            result.append({1: part, 2: " ", 3: f" {part} "}[pieces])
        self[code_point] = text = "".join(result)
        return text


class BertWords:
    """Cuts texts into words exactly as BERT's normalizer and pre-tokenizer do."""

    def __init__(self, normalizer: BertNormalizer, pre_tokenizer: PreTokenizer) -> None:
        self._table = _CharacterTable(normalizer, pre_tokenizer)

    def split(self, texts: Sequence[str]) -> list[str]:
        """Return the words of all ``texts``, with :data:`BREAK` after those of each text."""
        joined = "\n".join(texts)
        if joined.count("\n") != len(texts) - 1:
            joined = "\n".join([text.replace("\n", " ") for text in texts])
        words = joined.translate(self._table).split()
        if any(character in joined for character in self._table.reordering):
            # Marks that stay may change places with their neighbors: not one by one any more.
            return list(chain.from_iterable(self._split_slowly(text) for text in texts))
        if texts:
            words.append(BREAK)
        return words

    def _split_slowly(self, text: str) -> list[str]:
        normal = self._table.normalizer.normalize_str(text)
        words = self._table.pre_tokenizer.pre_tokenize_str(normal)
        return [*(word for word, _ in words), BREAK]

    def is_isolated(self, character: str) -> bool:
        """Say whether a normalized character is always a word of its own, as punctuation is."""
        return self._table[ord(character)].startswith(" ")


class _WordIndex(dict[str, int]):
    """Number of each word met so far; number 0 is :data:`BREAK`, with no pieces."""

    def __init__(
        self,
        model: WordModel,
        unk_id: int,
        max_word_characters: int,
        special: frozenset[str],
    ) -> None:
        super().__init__({BREAK: 0, **dict.fromkeys(special, 1)})
        self.model, self.unk_id, self.max_word_characters = model, unk_id, max_word_characters
        self.ids = array("i", [unk_id])
        self.starts = array(
            "q", [0, 0]
        )  # pieces of word i are ids[starts[i]:starts[i] + counts[i]]
        self.counts = array("q", [0, 1])  # word 1 stands for all that are unknown beforehand

    def __missing__(self, word: str) -> int:
        if len(word) > self.max_word_characters:
            return 1
        pieces = [token.id for token in self.model.tokenize(word)]
        number = self[word] = len(self.starts)
        self.starts.append(len(self.ids))
        self.counts.append(len(pieces))
        self.ids.extend(pieces)
        return number


class WordEncoder:
    """Texts to ids through a table of the words met so far, bounded in size."""

    def __init__(
        self,
        words: Words,
        model: WordModel,
        *,
        unk_id: int,
        max_word_characters: int,
        special: frozenset[str] = frozenset(),
    ) -> None:
        """Keep the parts; ``special`` are words that are unknown though the model has them."""
        self.words = words
        self._known = (model, unk_id, max_word_characters, special)
        self._index = _WordIndex(*self._known)

    def encode(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Return the ids of all texts end to end, and the number of ids of each text."""
        index = self._index
        if len(index) > MAX_CACHED_WORDS or len(index.ids) > MAX_CACHED_PIECES:
            index = self._index = _WordIndex(*self._known)
        words = self.words.split(texts)
        if len(words) <= FEW_WORDS and len(texts) == 1:
            return self._one_by_one(words)
        numbers = np.fromiter(map(index.__getitem__, words), np.int64, len(words))
        counts = np.frombuffer(index.counts, np.int64)[numbers]
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        first = np.frombuffer(index.starts, np.int64)[numbers] - (ends - counts)
        where = np.repeat(first, counts) + np.arange(total)
        ids = np.frombuffer(index.ids, np.int32)[where]
        return ids, np.diff(ends[numbers == 0], prepend=0)

    def _one_by_one(self, words: list[str]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Return the ids of one text's words, and their number, as :meth:`encode` does."""
        index = self._index
        ids: list[int] = []
        for number in map(index.__getitem__, words[:-1]):
            start = index.starts[number]
            ids.extend(index.ids[start : start + index.counts[number]])
        return np.array(ids, dtype=np.int32), np.array([len(ids)])
