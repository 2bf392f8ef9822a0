"""A slow WordPiece, written from BERT's published description: the oracle of the tests."""

from __future__ import annotations

import unicodedata


def normalize(text: str, *, lower: bool) -> str:
    """Clean, set Chinese characters apart, strip accents and lower as BERT does."""
    result = []
    for c in text:
        if c in "\t\n\r" or (c.isspace() and unicodedata.category(c) != "Cc"):
            result.append(" ")
        elif unicodedata.category(c).startswith("C"):
            continue
        elif is_chinese(ord(c)):
            result.append(f" {c} ")
        else:
            result.append(c)
    text = "".join(result)
    if not lower:
        return text
    text = unicodedata.normalize("NFD", text)
    text = "".join(c for c in text if unicodedata.category(c) != "Mn")
    return "".join(c.lower() for c in text)


def is_chinese(code: int) -> bool:
    """Say whether a code point is in one of the CJK ideograph blocks that BERT names."""
    blocks = (
        (0x4E00, 0x9FFF),
        (0x3400, 0x4DBF),
        (0x20000, 0x2A6DF),
        (0x2A700, 0x2B73F),
        (0x2B740, 0x2B81F),
        (0x2B820, 0x2CEAF),
        (0xF900, 0xFAFF),
        (0x2F800, 0x2FA1F),
    )
    return any(first <= code <= last for first, last in blocks)


def words(text: str, *, lower: bool) -> list[str]:
    """Cut at spaces, and set punctuation apart."""
    result: list[str] = []
    current = ""
    for c in normalize(text, lower=lower):
        ascii_mark = c.isascii() and c.isprintable() and not c.isalnum() and c != " "
        mark = ascii_mark or unicodedata.category(c).startswith("P")
        if (c.isspace() or mark) and current:
            result.append(current)
            current = ""
        if mark:
            result.append(c)
        elif not c.isspace():
            current += c
    return [*result, current] if current else result


def pieces(word: str, vocab: dict[str, int]) -> list[int]:
    """Take the longest piece that fits, again and again; all or nothing."""
    if len(word) > 100:
        return [vocab["[UNK]"]]
    result = []
    start = 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocab:
                result.append(vocab[piece])
                start = end
                break
        else:
            return [vocab["[UNK]"]]
    return result


def encode(text: str, vocab: dict[str, int], *, lower: bool) -> list[int]:
    """Return the ids of ``text``, without special tokens."""
    return [i for word in words(text, lower=lower) for i in pieces(word, vocab)]
