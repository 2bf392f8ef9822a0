"""Chinese answers against gold ones: characters and words mixed, as CMRC 2018 scores them.

Cui et al. 2019, "A Span-Extraction Dataset for Chinese Machine Reading Comprehension", section 3;
the rules are those of the task's evaluation script.
"""
# ruff: noqa: RUF001 - marks of both scripts are the matter of this file

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Marks that are left out. The ellipsis stays: the script names it doubled, which no character is.
_MARKS = dict.fromkeys(map(ord, "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"))
_PARTS = re.compile("[\u4e00-\u9fa5]|[^\u4e00-\u9fa5]+")
_RULES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        ("[«‘„]", r" \g<0> "),
        ('^"', " `` "),
        (r"(?<=[ (\[{<])(?:\"|'')", " `` "),
        (r"(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)", "' "),
        (r"(?<=[^.])\.(?=[\])}>\"' »]*\s*$)", " . "),
        (r",(\D)", r" , \1"),
        (",$", " , "),
        (r"\.{2,}|[;@#$%&?!\u2012-\u2015]", r" \g<0> "),
        ("(?<=[^'])' ", " ' "),
        (r"[\]\[(){}<>]", r" \g<0> "),
        ("$", " "),
        ("»", " » "),
        ("''|\"", " '' "),
        (r"\s+", " "),
        ("(?<=[^' ])('s|'m|'d|') ", r" \1 "),
        ("(?<=[^' ])('ll|'re|'ve|n't) ", r" \1 "),
        (r"\b(can)(not)\b|\b(gim|lem)(me)\b", r" \1\3 \2\4 "),
        (r"\b(wan)(na)(?=\s)|\b(gon)(na)\b|\b(got)(ta)\b", r" \1\3\5 \2\4\6 "),
        (r"\b(d)('ye)\b|\b(more)('n)\b", r" \1\3 \2\4 "),
        (r"(?<= )('t)(is)\b", r" \1 \2 "),
        (r"(?<= )('t)(was)\b", r" \1 \2 "),
    )
]


def cmrc_score(gold: Sequence[str], said: str) -> tuple[float, float]:
    """Return exact match and F1 of an answer, each the best over the gold answers, 0 to 1.

    Exact is equality in lower case without marks of punctuation. F1 is of the longest run of
    segments that both have in common; a segment is a Chinese character, or a word between them.
    """
    own = segments(said)
    exact = float(any(bare(answer) == bare(said) for answer in gold))
    return exact, max((_f1(segments(answer), own) for answer in gold), default=0.0)


def bare(text: str) -> str:
    """Return a text in lower case without marks of punctuation."""
    return text.lower().strip().translate(_MARKS)


def segments(text: str) -> list[str]:
    """Return the Chinese characters of a text, and the words between them, without marks."""
    found: list[str] = []
    for part in _PARTS.findall(bare(text)):
        found += [part] if "\u4e00" <= part[0] <= "\u9fa5" else words(part)
    return found


def words(text: str) -> list[str]:
    """Return the words of one sentence in lower case, as NLTK cuts it.

    The rules are those of the Penn Treebank, with NLTK's additions, as far as marks that
    :func:`bare` has left are concerned.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text.split()


def _f1(gold: list[str], said: list[str]) -> float:
    common = longest_common_run(gold, said)
    return 2 * common / (len(gold) + len(said)) if common else 0.0


def longest_common_run(a: Sequence[str], b: Sequence[str]) -> int:
    """Return how long the longest run of neighbours is that both sequences hold."""
    longest, ending = 0, [0] * (len(b) + 1)
    for x in a:
        ending = [0, *(before + 1 if x == y else 0 for before, y in zip(ending, b, strict=False))]
        longest = max(longest, *ending)
    return longest
