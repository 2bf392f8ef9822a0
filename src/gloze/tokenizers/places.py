"""Where tokens stand in a text, from what the library says of them."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.tokenizers.segmenters import Segmenter

Spans = list[tuple[int, int]]


def token_places(
    text: str, spans: Sequence[tuple[int, int]], segmenter: Segmenter | None = None
) -> Spans:
    """Return first character and the one after the last of each token, without spaces around.

    Args:
        text: as it was given.
        spans: in the text, or in what ``segmenter`` made of it.
        segmenter: that put spaces between the words.
    """
    if segmenter is not None:
        spans = _unparted(spans, segmenter.starts(text))
    return [_without_spaces(text, *span) for span in spans]


def _unparted(spans: Sequence[tuple[int, int]], begins: Sequence[int]) -> Spans:
    """Return where tokens stand in a text, from where they stand with spaces between its words."""
    parted = [begin + number for number, begin in enumerate(begins)]
    words = [bisect_right(parted, start) - 1 for start, _ in spans]
    return [(a - word, b - word) for (a, b), word in zip(spans, words, strict=True)]


def _without_spaces(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where a token stands without the spaces that some tokenizers count in."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
