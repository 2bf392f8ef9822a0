"""Text to words as GPT-2 cuts it, and words to bytes: the fast twin of the library's encoder.

GPT-2's pattern (Radford et al. 2019, released code) asks of a character whether it is a letter, a
number, a space or something else. The library is asked that once for each character beyond ASCII;
a text is then written in a few signs, in which Python's own regular expressions find the words.
"""

from __future__ import annotations

import re
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from gloze.tokenizers.words import BREAK, refuse_half

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Token
    from tokenizers.models import Model
    from tokenizers.pre_tokenizers import PreTokenizer


def _pattern(letter: str, number: str, space: str) -> re.Pattern[str]:
    """Return what finds words, given the classes of characters; what is most frequent first."""
    contraction, other = "'(?:[stmd]|re|ve|ll)", f"[^{letter}{number}{space}]"
    words = f" ?[{letter}]+|{contraction}| ?[{number}]+| ?{other}+"
    return re.compile(f"{words}|[{space}]+(?![^{space}])|[{space}]+")


_ASCII_WORD = _pattern("A-Za-z", "0-9", r" \t\n\r\f\v")
# a stands for letters, 0 for numbers, _ for spaces but the usual one, ! for all else.
_SIGN_WORD = _pattern("a-z", "0", " _")
_KEPT = " 'strevmld"  # what the pattern names


def _byte_letters() -> dict[int, str]:
    """Return the letter that GPT-2 writes for each byte: itself where it can be seen."""
    seen = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in seen]
    return {byte: chr(byte if byte in seen else 256 + hidden.index(byte)) for byte in range(256)}


BYTE_LETTERS = _byte_letters()


def in_byte_letters(word: str) -> str:
    """Return a word as the vocabulary has it: a letter for each byte of its UTF-8."""
    return word.encode().decode("latin-1").translate(BYTE_LETTERS)


class _Signs(dict[int, str]):
    """The sign of each character: what the pattern asks about it."""

    def __init__(self, pre_tokenizer: PreTokenizer) -> None:
        super().__init__({ord(character): character for character in _KEPT})
        self.pre_tokenizer = pre_tokenizer

    def __missing__(self, code_point: int) -> str:
        refuse_half(code_point)
        character = chr(code_point)
        # A character is part of the word before it where both are of a kind.
        joined = (
            sign for sign in "a0!" if len(self.pre_tokenizer.pre_tokenize_str(sign + character)) < 2
        )
        self[code_point] = sign = next(joined, "_")
        return sign


class ByteWords:
    """Cuts texts into words exactly as GPT-2 does; a word has the space before it.

    Args:
        pre_tokenizer: the library's ``ByteLevel``, which puts no space before a text.
    """

    def __init__(self, pre_tokenizer: PreTokenizer) -> None:
        self._signs = _Signs(pre_tokenizer)

    def split(self, texts: Sequence[str]) -> list[str]:
        """Return the words of all ``texts``, with :data:`BREAK` after those of each text."""
        words: list[str] = []
        for text in texts:
            if text.isascii():
                words += _ASCII_WORD.findall(text)
            else:
                found = _SIGN_WORD.findall(text.translate(self._signs))
                ends = accumulate(map(len, found), initial=0)
                words += [text[start:end] for start, end in pairwise(ends)]
            words.append(BREAK)
        return words


class ByteModel:
    """Words to tokens by the library's model, which reads bytes."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def tokenize(self, word: str) -> list[Token]:
        """Return the tokens of a word."""
        tokens: list[Token] = self._model.tokenize(in_byte_letters(word))
        return tokens
