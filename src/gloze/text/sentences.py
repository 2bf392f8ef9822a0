"""Paragraphs to sentences by rules, for most languages written with stops.

One pattern finds the places where a sentence may end, cheap checks of the words around decide.
Time is linear in the length of the text, whatever it is.
"""
# ruff: noqa: RUF001 - quotes and stops of all scripts are the matter of this file

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
    TITLES,
)

_CLOSERS = "\"'”’“»«›‹)\\]}」』】》〉）］｝"
_WIDE = "。！？｡।॥۔؟።។။։"
# The look behind keeps a long run of stops from being tried from each of its members.
_STOP = re.compile(
    rf"""
    (
        [.!?…](?<![.!?…][.!?…])[.!?…]*+
        [{_CLOSERS}]*+ (?:\[\d{{1,3}}\])? (?:[\ \xa0\u202f][»”](?!\S))? (?!\S)
    |
        [!?](?=[\u3040-\u30ff\u4e00-\u9fff])
    |
        [{_WIDE}](?<![{_WIDE}][{_WIDE}])[{_WIDE}!?…]*+ [{_CLOSERS}]*+
    )
    (\s*+)
    """,
    re.VERBOSE,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+")
_DOTTED = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")
_ROMAN = re.compile(r"[IVXLCDM]+")
_LISTED = re.compile(r"[(\[]?(?:\d{1,3}(?:\.\d{1,3})*|[A-Za-z]|[ivxIVX]{1,5})")
_REACH = 32  # characters looked at on either side of a stop
_LONGEST = 7  # letters of no abbreviation that is one word
_LONGEST_LISTED = 12
_QUOTES = "\"'”’“»«"
_OPENERS = "([{\"'“„«»‚‘¿¡—–-"
_GOES_ON = ".!?…,;:)]}%"
_WIDE_GOES_ON = "，、,；;：:"


def split_sentences(paragraph: str) -> list[str]:
    """Split a paragraph into its sentences, with no text lost but the spaces between.

    Good for English, German, French, Spanish, Italian, Dutch and Portuguese, whose abbreviations
    are known, and for scripts with stops of their own (Chinese, Japanese, Arabic, Devanagari).
    """
    sentences = []
    start, size = 0, len(paragraph)
    for match in _STOP.finditer(paragraph):
        after = match.end()
        if after == size:
            break
        stop, end = match.span(1)
        # The usual case first: a long word, a full stop, a capital.
        is_usual = (
            end - stop == 1
            and paragraph[after].isupper()
            and paragraph[stop] == "."
            and stop - start > _LONGEST
            and paragraph[stop - _LONGEST : stop].isalpha()
        )
        if is_usual or _is_end(paragraph, start, match):
            if sentence := paragraph[start:end].strip():
                sentences.append(sentence)
            start = after
    if rest := paragraph[start:].strip():
        sentences.append(rest)
    return sentences


def _is_end(text: str, start: int, match: re.Match[str]) -> bool:
    stop, after = match.group(1), match.end()
    mark, following = stop[0], text[after]
    if mark in _WIDE:
        is_said = stop[-1] in "」』" and following in "とっ"
        return not is_said and following not in _WIDE_GOES_ON
    if following in _GOES_ON:
        return False
    lead = _lead(text, after)
    if lead.islower():
        return False
    if mark in "!?":
        return True
    if mark == "…" or stop.startswith(".."):
        return lead.isalpha() and not re.match(r"I\b", text[after : after + 2])
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
    if stop - start <= _LONGEST_LISTED and _LISTED.fullmatch(text[start:stop].strip()):
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
    if not letter.isalpha() or letter.lower() == letter.upper():
        return True  # a script without capitals has no initials
    if len(before) == 2 and before[1] == "." and before[0].isalpha():
        return before[0].isupper() and following in STARTERS  # J. R. R. The, but z. B. Die
    if len(ahead) == 2 and ahead[0].isalpha() and ahead[1] == ".":
        return False
    if letter == "I" and before[:1].islower():
        return True
    return following in STARTERS


def _ends_after_word(word: str, following: str) -> bool:
    lower = word.lower()
    if lower in TITLES and word[0].isupper():
        return False
    if lower in BEFORE_NUMBER:
        is_roman = following != "I" and _ROMAN.fullmatch(following) is not None
        return not (following.isdigit() or is_roman)
    if word.isupper() and "." not in word:
        return True  # CA, VS
    if lower in NEVER_LAST:
        return False
    if lower in MAY_BE_LAST or _DOTTED.fullmatch(word):
        return following in STARTERS or not following
    return True


def _is_ordinal(number: str, before: str, following: str) -> bool:
    if len(number) > 3:
        return False
    if following in MONTHS or following in AFTER_ORDINAL:
        return True
    return len(number) < 3 and before.lower() in BEFORE_ORDINAL and following[:1].isupper()
