"""Paragraphs to sentences by rules, for most languages written with stops.

One pattern finds the places where a sentence may end, cheap checks of the words around decide.
Time is linear in the length of the text, whatever it is.
"""

from __future__ import annotations

import re

from gloze.text.abbreviations import (
    AFTER_ORDINAL,
    BEFORE_NUMBER,
    BEFORE_ORDINAL,
    MAY_BE_LAST,
    MONTHS,
    NEVER_LAST,
    STARTERS,
)

_CLOSERS = "\"'”’“»«›‹)\\]}」』】》〉）］｝"
_WIDE = "。！？｡।॥۔؟።។။։"
# The look behind keeps a long run of stops from being tried from each of its members.
_CANDIDATE = re.compile(
    rf"[.!?…](?<![.!?…][.!?…])[.!?…]*+[{_CLOSERS}]*+"
    r"(?:\[\d{1,3}\])?(?:[ \xa0\u202f][»”](?=\s|$))?(?=\s)"
    rf"|[!?](?=[\u3040-\u30ff\u4e00-\u9fff])"
    rf"|[{_WIDE}](?<![{_WIDE}][{_WIDE}])[{_WIDE}!?…]*+[{_CLOSERS}]*+"
)
_SPACES = re.compile(r"\s*")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+")
_DOTTED = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")
_ROMAN = re.compile(r"[IVXLCDM]+")
_LISTED = re.compile(r"[(\[]?(?:\d{1,3}(?:\.\d{1,3})*|[A-Za-z]|[ivxIVX]{1,5})")
_REACH = 32  # characters looked at on either side of a stop
_QUOTES = "\"'”’“»«"
_OPENERS = "([{\"'“„«»‚‘¿¡—–-"


def split_sentences(paragraph: str) -> list[str]:
    """Split a paragraph into its sentences, with no text lost but the spaces between.

    Good for English, German, French, Spanish, Italian, Dutch and Portuguese, whose abbreviations
    are known, and for scripts with stops of their own (Chinese, Japanese, Arabic, Devanagari).
    """
    sentences = []
    start, size = 0, len(paragraph)
    for match in _CANDIDATE.finditer(paragraph):
        end = match.end()
        after = _SPACES.match(paragraph, end).end()  # type: ignore[union-attr]  # always matches
        if after == size:
            break
        if _is_end(paragraph, start, match, after):
            if sentence := paragraph[start:end].strip():
                sentences.append(sentence)
            start = after
    if rest := paragraph[start:].strip():
        sentences.append(rest)
    return sentences


def _is_end(text: str, start: int, match: re.Match[str], after: int) -> bool:
    stop = match.group()
    mark, following = stop[0], text[after]
    if mark in _WIDE:
        return not (stop[-1] in "」』" and following in "とっ" or following in "，、,；;：:")
    if following in ".!?…,;:)]}%":
        return False
    lead = _lead(text, after)
    if lead.islower():
        return False
    if mark in "!?":
        return True
    if stop.startswith(("..", "…")):
        return lead.isupper() and not re.match(r"I\b", text[after : after + 2])
    if len(stop) > 1 and (stop[-1] in _QUOTES or stop[1] in "!?"):
        return True
    return _ends_at_stop(text, start, match.start(), after)


def _lead(text: str, after: int) -> str:
    """Return the first character from ``after`` on that is not an opening quote or bracket."""
    for character in text[after : after + 8]:
        if character not in _OPENERS and not character.isspace():
            return character
    return text[after]


def _ends_at_stop(text: str, start: int, stop: int, after: int) -> bool:
    """Say whether a single stop at ``stop`` ends the sentence that begins at ``start``."""
    words = text[max(start, stop - _REACH) : stop].rsplit(None, 2)
    if not words or text[stop - 1].isspace():
        return True
    word = words[-1].lstrip(_OPENERS)
    if not word:
        return True
    if stop - start < 12 and _LISTED.fullmatch(text[start:stop].strip()):
        return False
    found = _WORD.search(text, after, after + _REACH)
    following = found.group() if found else ""
    before = words[-2] if len(words) > 1 and len(words[-2]) < _REACH // 2 else ""
    if word.isdigit():
        return not _is_ordinal(word, before, following)
    if len(word) == 1:
        return _ends_after_letter(word, before, following, text[after : after + 2])
    return _ends_after_word(word, following)


def _ends_after_letter(letter: str, before: str, following: str, ahead: str) -> bool:
    if not letter.isalpha():
        return True
    if len(before) == 2 and before[1] == "." and before[0].isalpha():
        return False  # J. R. R., z. B.
    if len(ahead) == 2 and ahead[0].isalpha() and ahead[1] == ".":
        return False
    if letter == "I" and before[:1].islower():
        return True
    if letter.lower() in BEFORE_NUMBER and following.isdigit():
        return False
    if not letter.isascii() and letter.lower() == letter.upper():
        return True  # a script without capitals has no initials
    return following in STARTERS


def _ends_after_word(word: str, following: str) -> bool:
    lower = word.lower()
    if lower in NEVER_LAST:
        return False
    if lower in BEFORE_NUMBER:
        return not (following.isdigit() or _ROMAN.fullmatch(following) and following != "I")
    if lower in MAY_BE_LAST or _DOTTED.fullmatch(word):
        return following in STARTERS or not following
    return True


def _is_ordinal(number: str, before: str, following: str) -> bool:
    if len(number) > 3:
        return False
    if following in MONTHS or following in AFTER_ORDINAL:
        return True
    return len(number) < 3 and before.lower() in BEFORE_ORDINAL and following[:1].isupper()
