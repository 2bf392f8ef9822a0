"""Paragraphs become sentences, by rules that read a few words around each stop.

Nothing is lost: the pieces hold every character of the paragraph but white space at the cuts.
Time is linear in the length of the paragraph, whatever it holds: each regular expression reads
a run of characters once and never gives any back, and looks around a stop are bounded.
"""

from __future__ import annotations

import re

from gloze.text.abbreviations import (
    ABBREVIATIONS,
    BEFORE_ORDINAL,
    BEFORE_PRONOUN,
    DATE,
    GERMAN_MONTHS,
    MAYBE,
    NUMBER,
    STARTERS,
    UNITS,
)

# Wide stops end a sentence by themselves; the others need white space after them.
_WIDE = frozenset("。！？｡．।॥؟۔։።။។")
_STOPS = ".!?…‽‼⁇⁈⁉" + "".join(sorted(_WIDE))
_STOP = re.compile(
    rf"""
    (?P<stop>[{_STOPS}][{_STOPS}]*+)
    (?P<close>
        [\"'”’“»«›‹)\]}}*]*+            # a closing quote of one language opens in another
        (?:\[\d{{1,3}}\])?+             # a footnote
        (?:\s[»”’)\]]++(?=\s|$|[,.;:!?]))?+
    )
    (?P<space>\s*+)
    """,
    re.VERBOSE,
)
_WIDE_CLOSE = re.compile(r"[”’»)\]}」』】〉》〕）］｝]*+")  # not “ ‘ ", which open as well
_OPENERS = "\"'“”‘’„‚«»‹›([{¿¡–—―•*·_-"
_NEXT = re.compile(r"[\s\"'“”‘’„‚«»‹›(\[{¿¡–—―•*·_-]{0,16}+(\w{1,24}+|.|)(.?)", re.DOTALL)
_WORD = re.compile(r"\w")
_ENUMERATOR = re.compile(r"\s*[(\[]?(?:\d{1,4}|[ivxIVX]{1,5}|[A-Za-z])")
_ROMAN = re.compile(r"[IVXLC]{2,7}")
_ACRONYM = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")
_VOWELS = frozenset("aeiouyAEIOUY")
_NOT_A_BEGINNING = frozenset(",;:.!?…)]}%”’&+=/<>|")
_GO_ON = ("、", "，", "；", "：", ",", ";", ":")
_SAID = ("と", "って")  # Japanese: what stands in the quote is said
_LOOK_BACK = 32
_LONGEST_ENUMERATOR = 8
_LONGEST_ABBREVIATION = 5
_LONGEST_BARE = 12


def split_sentences(paragraph: str) -> list[str]:
    """Return the sentences of a paragraph, without white space around them.

    Rules for English, German, French, Spanish, Italian, Dutch and Portuguese, and the full stops
    of Chinese, Japanese, Arabic, Urdu, Devanagari, Armenian, Ethiopic, Khmer and Burmese.
    """
    sentences: list[str] = []
    start = 0
    for match in _STOP.finditer(paragraph):
        stop = match["stop"]
        if stop in _WIDE or (len(stop) > 1 and not _WIDE.isdisjoint(stop)):
            end = _end_of_wide(paragraph, start, match)
        else:
            end = match.end() if _is_end(paragraph, start, match) else 0
        if not end or (end - start < _LONGEST_BARE and not _WORD.search(paragraph, start, end)):
            continue
        sentences.append(paragraph[start:end].strip())
        start = end
    rest = paragraph[start:].strip()
    if rest:
        sentences.append(rest)
    return sentences


def _end_of_wide(text: str, start: int, match: re.Match[str]) -> int:
    """Return where the sentence of a wide stop ends, or 0 if it goes on."""
    stop_start, stop_end = match.span("stop")
    closed = _WIDE_CLOSE.match(text, stop_end)
    end = closed.end() if closed else stop_end
    if text[end : end + 1] == '"' and text.count('"', start, end) % 2:
        end += 1
    following = text[end : end + 2]
    if following.startswith(_GO_ON) or (end > stop_end and following.startswith(_SAID)):
        return 0
    stop = match["stop"]
    if stop in ("．", "॥") and following[:1].isdigit():
        return 0 if stop == "॥" or text[stop_start - 1 : stop_start].isdigit() else end
    return end


def _is_end(text: str, start: int, match: re.Match[str]) -> bool:
    """Return whether a stop that needs white space after it ends a sentence."""
    stop_start, end = match.start(), match.end()
    if end == len(text):
        return False  # what is left is a sentence anyway
    if not match["space"]:
        return "\u3040" <= text[end] <= "\u9fff" and "\u3040" <= text[stop_start - 1] <= "\u9fff"
    if text[end] in _NOT_A_BEGINNING:
        return False
    following = _NEXT.match(text, end)
    assert following is not None  # it matches the empty string
    word = following[1]
    first = word[:1]
    if not first or first.islower() or first in _NOT_A_BEGINNING:
        return False
    stop = match["stop"]
    if stop != ".":
        return first.isalpha() or stop[-1] not in ".…"
    if match["close"]:
        return True
    begins = word in STARTERS and following[2] != "."
    return _is_end_of_word(text, start, stop_start, word, begins=begins)


def _is_end_of_word(text: str, start: int, stop: int, word: str, *, begins: bool) -> bool:
    """Return whether a single full stop ends a sentence, given the ``word`` that follows.

    ``begins`` says that the word that follows is one that begins sentences.
    """
    before = text[max(start, stop - _LOOK_BACK) : stop]
    words = before.split()
    if not words or before[-1].isspace():
        return True
    last = words[-1].lstrip(_OPENERS)
    kind = ABBREVIATIONS.get(last)
    if kind is None and len(last) > _LONGEST_ABBREVIATION and last.isalpha():
        return True
    if stop - start <= _LONGEST_ENUMERATOR and _ENUMERATOR.fullmatch(text, start, stop):
        return False  # 1. First
    if word[0].isdigit():
        return kind is None and len(last) > (2 if last.isdigit() else 1)
    previous = words[-2] if len(words) > 1 else ""
    if len(last) == 1 and last.isalpha():
        return _is_end_of_letter(last, previous, begins=begins)
    if kind is not None:
        if kind == NUMBER:
            return begins or not (len(word) == 1 or _ROMAN.fullmatch(word))
        return kind == DATE or (kind == MAYBE and begins)
    return _is_end_of_other(last, previous, word, begins=begins)


def _is_end_of_letter(letter: str, previous: str, *, begins: bool) -> bool:
    """Return whether a sentence ends after a single letter, which may be an initial."""
    if len(previous) == 2 and previous[1] == "." and previous[0].islower():
        return False  # z. B. Die
    if letter == "I" and previous in BEFORE_PRONOUN:
        return True
    return begins or not (letter.isupper() or letter.islower())


def _is_end_of_other(last: str, previous: str, word: str, *, begins: bool) -> bool:
    """Return whether a sentence ends after what is in no list of abbreviations."""
    if last.isdigit() or _ROMAN.fullmatch(last):
        if word in GERMAN_MONTHS and len(last) <= 2:
            return False  # 3. Oktober
        return begins or len(last) > 4 or previous not in BEFORE_ORDINAL  # im 19. Jahrhundert
    if "." in last and _ACRONYM.fullmatch(last):
        return begins or last in ("a.m", "p.m")
    looks_abbreviated = (
        len(last) < _LONGEST_ABBREVIATION
        and last.isascii()
        and last.isalpha()
        and not last.isupper()
        and _VOWELS.isdisjoint(last)
        and last not in UNITS
    )
    return begins or not looks_abbreviated
