"""Byte-pair encoding written from its paper (Sennrich et al. 2016, 3.2): the oracle of the tests.

Every pair is counted anew before each is joined. Ties go to the pair whose tokens came first.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

Pair = tuple[str, str]


def learn(
    words: dict[str, int], letters: list[str], *, end: str, size: int, least: int
) -> tuple[list[str], list[Pair]]:
    """Return the tokens, ``letters`` first, and the pairs in the order they were joined."""
    tokens, merges = list(letters), []
    spelt = {spelling(word, end): count for word, count in words.items()}
    while len(tokens) < size:
        pairs: Counter[Pair] = Counter()
        for pieces, count in spelt.items():
            for pair in pairwise(pieces):
                pairs[pair] += count
        numbers = {token: number for number, token in enumerate(tokens)}
        best = min(pairs, key=lambda p: (-pairs[p], numbers[p[0]], numbers[p[1]]), default=None)
        if best is None or pairs[best] < least:
            break
        merges.append(best)
        if "".join(best) not in numbers:
            tokens.append("".join(best))
        spelt = {join(pieces, best): count for pieces, count in spelt.items()}
    return tokens, merges


def spelling(word: str, end: str) -> tuple[str, ...]:
    """Return the letters of a word, the last with the mark of the end."""
    return (*word[:-1], word[-1] + end)


def join(pieces: tuple[str, ...], pair: Pair) -> tuple[str, ...]:
    """Join a pair wherever it stands, from left to right."""
    result: list[str] = []
    place = 0
    while place < len(pieces):
        width = 2 if pieces[place : place + 2] == pair else 1
        result.append("".join(pieces[place : place + width]))
        place += width
    return tuple(result)


def encode(word: str, merges: list[Pair], end: str) -> tuple[str, ...]:
    """Return the tokens of a word: pairs are joined in the order they were learned."""
    pieces = spelling(word, end)
    for pair in merges:
        pieces = join(pieces, pair)
    return pieces
