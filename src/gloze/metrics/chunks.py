"""Figures of tagging: chunks read off tags as conlleval does, or strictly, and counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Chunk(NamedTuple):
    """Some words side by side: an entity, a phrase, a word made of characters.

    Attributes:
        type: after the prefix of its tags; empty if the tags are bare prefixes.
        start: number of its first word.
        end: number of the word after its last.
    """

    type: str
    start: int
    end: int


@lru_cache(maxsize=1 << 16)
def split_tag(tag: str) -> tuple[str, str]:
    """Return prefix and type: ``B-PER`` gives ``B`` and ``PER``, ``B`` gives ``B`` and nothing."""
    prefix, _, kind = tag.partition("-")
    return prefix, kind


def chunks(tags: Sequence[str]) -> list[Chunk]:
    """Return the chunks of a sentence as conlleval reads them (Tjong Kim Sang and Buchholz 2000).

    Every sequence of tags has a reading: B and S begin a chunk, and so do I and E where none of
    the same type is open. So IOB1, IOB2 and BIOES are all read rightly, without being told which.
    """
    found: list[Chunk] = []
    start, before, kind = 0, "O", ""
    for place, tag in enumerate((*tags, "O")):
        prefix, new = split_tag(tag)
        begins = prefix != "O" and (prefix in "BS" or before in "OES" or new != kind)
        if before != "O" and (begins or prefix == "O"):
            found.append(Chunk(kind, start, place))
        if begins:
            start = place
        before, kind = prefix, new
    return found


def strict_chunks(
    tags: Sequence[str], scheme: Literal["iob1", "iob2", "bioes"] = "iob2"
) -> list[Chunk]:
    """Return the chunks that are written as a scheme demands, and no other.

    In IOB2 a chunk is a B and every I of the same type after it; an I without a B is nothing.
    In IOB1 one that begins with B where it touches none of its type is nothing. In BIOES a chunk
    is an S, or a B, any I and an E of one type.
    """
    if scheme == "iob1":
        return [chunk for chunk in chunks(tags) if _is_iob1(tags, chunk)]
    found: list[Chunk] = []
    bioes = scheme == "bioes"
    start, before, kind = -1, "O", ""
    for place, tag in enumerate((*tags, "O")):
        prefix, new = split_tag(tag)
        goes_on = prefix in "IE" and before in "BI" and new == kind
        if start >= 0 and not goes_on:
            if not bioes or before in "ES":
                found.append(Chunk(kind, start, place))
            start = -1
        if prefix in "BS":
            start = place
        before, kind = prefix, new
    return found


def _is_iob1(tags: Sequence[str], chunk: Chunk) -> bool:
    before = split_tag(tags[chunk.start - 1]) if chunk.start else ("O", "")
    touches = before[0] != "O" and before[1] == chunk.type
    return touches or not tags[chunk.start].startswith("B")


@dataclass(frozen=True)
class ChunkCounts:
    """How many chunks are there, were said, and were both: same words, same type.

    Attributes:
        gold: in the file.
        said: in the answers.
        right: in both.
    """

    gold: int
    said: int
    right: int

    @property
    def precision(self) -> float:
        """Share of right ones among those said; 0 if none was."""
        return self.right / self.said if self.said else 0.0

    @property
    def recall(self) -> float:
        """Share of right ones among those there are; 0 if there is none."""
        return self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / (self.gold + self.said) if self.gold + self.said else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return figures and counts as JSON can hold them."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "gold": self.gold,
            "said": self.said,
        }


def count_chunks(
    gold: Iterable[Sequence[str]],
    said: Iterable[Sequence[str]],
    read: Callable[[Sequence[str]], list[Chunk]] = chunks,
) -> dict[str, ChunkCounts]:
    """Return the counts of each type, in the order of the types' names.

    Args:
        gold: the tags of each sentence.
        said: the tags answered, as many.
        read: what the chunks of a sentence's tags are.
    """
    there: Counter[str] = Counter()
    named: Counter[str] = Counter()
    both: Counter[str] = Counter()
    for right_tags, said_tags in zip(gold, said, strict=True):
        right, answered = set(read(right_tags)), set(read(said_tags))
        there.update(chunk.type for chunk in right)
        named.update(chunk.type for chunk in answered)
        both.update(chunk.type for chunk in right & answered)
    return {
        kind: ChunkCounts(there[kind], named[kind], both[kind]) for kind in sorted({*there, *named})
    }


def words_as_chunks(tags: Sequence[str]) -> list[Chunk]:
    """Return every word as a chunk of its own, its whole tag as the type: parts of speech."""
    return [Chunk(tag, place, place + 1) for place, tag in enumerate(tags)]


def total(counts: dict[str, ChunkCounts]) -> ChunkCounts:
    """Return the counts of all types together, of which the overall figures are made."""
    each = counts.values()
    return ChunkCounts(
        sum(c.gold for c in each), sum(c.said for c in each), sum(c.right for c in each)
    )


def tagging_figures(
    gold: Sequence[Sequence[str]],
    said: Sequence[Sequence[str]],
    scheme: Literal["iob1", "iob2", "bioes", "none"],
) -> dict[str, Any]:
    """Return the figures of tags by name, as JSON can hold them.

    ``accuracy`` is the share of words with the right tag. Of chunks, ``precision``, ``recall``
    and ``f1`` are conlleval's; those that end in ``_strict`` count only chunks that are written by
    the rules of the scheme. ``types`` has conlleval's figures of each type, or of each tag where
    tags are no chunks.

    Args:
        gold: the right tags of each sentence.
        said: the tags answered.
        scheme: in which both are written.
    """
    pairs = [pair for tags in zip(gold, said, strict=True) for pair in zip(*tags, strict=True)]
    figures: dict[str, Any] = {
        "words": len(pairs),
        "accuracy": sum(one == other for one, other in pairs) / max(len(pairs), 1),
    }
    counts = count_chunks(gold, said, words_as_chunks if scheme == "none" else chunks)
    if scheme != "none":
        strict = count_chunks(gold, said, partial(strict_chunks, scheme=scheme))
        for suffix, found in (("", total(counts)), ("_strict", total(strict))):
            figures[f"precision{suffix}"] = found.precision
            figures[f"recall{suffix}"] = found.recall
            figures[f"f1{suffix}"] = found.f1
    return figures | {"types": {kind: found.to_dict() for kind, found in counts.items()}}
