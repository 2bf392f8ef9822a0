"""Schemes of tags: which one a file is written in, where it breaks it, and others written in it."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from gloze.metrics.chunks import chunks, split_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gloze.core.batch import Bools

# How chunks are written as one tag a word (Ramshaw and Marcus 1995; Ratinov and Roth 2009):
# iob1: I inside, B only where a chunk touches another of its type. iob2: B at every beginning.
# bioes: as iob2, E at the end, S if it is one word. none: the tags are no chunks.
Scheme = Literal["iob1", "iob2", "bioes", "none"]
PREFIXES: dict[str, str] = {"iob1": "BIO", "iob2": "BIO", "bioes": "BIESO"}
# Other letters for the same: BMES, BMEWO, BILOU.
_SAME = {"M": "I", "L": "E", "U": "S", "W": "S"}
_CHUNK_TAG = re.compile(r"[BIESMLUW](-.+)?|O")
_TYPED = re.compile(r"[BI]-.+")


class Breach(NamedTuple):
    """A place where tags do what their scheme does not allow.

    Attributes:
        sentence, word: numbers of both.
        reason: for a person.
    """

    sentence: int
    word: int
    reason: str


@lru_cache(maxsize=1 << 16)
def plain_tag(tag: str) -> str:
    """Return a tag of BMES, BMEWO or BILOU as BIOES writes it; others as they are."""
    return _SAME.get(tag[:1], tag[:1]) + tag[1:] if _CHUNK_TAG.fullmatch(tag) else tag


def detect(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Return the scheme that tags are written in.

    They are chunks if some tag is ``B-`` or ``I-`` and a type, or if all are bare prefixes, B
    among them. Then letters other than B, I and O mean BIOES; without them it is IOB1 if chunks
    mostly begin with I, else IOB2.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for tags in sentences:
        pairs.update(zip(("O", *tags), tags, strict=False))
    known = {tag for _, tag in pairs}
    is_bare = "B" in known and all(_CHUNK_TAG.fullmatch(tag) for tag in known)
    if not is_bare and not any(_TYPED.fullmatch(tag) for tag in known):
        return "none"
    if any(_CHUNK_TAG.fullmatch(tag) and tag[0] not in "BIO" for tag in known):
        return "bioes"
    begins: Counter[str] = Counter()
    for (before, tag), count in pairs.items():
        if not is_legal(before, tag, "iob2") or not is_legal(before, tag, "iob1"):
            begins[tag[0]] += count
    return "iob1" if begins["I"] > begins["B"] else "iob2"


@lru_cache(maxsize=1 << 16)
def is_legal(before: str, tag: str, scheme: Scheme) -> bool:
    """Return whether a tag may follow another; a sentence begins as if after an O."""
    (left, left_type), (right, right_type) = split_tag(before), split_tag(tag)
    goes_on = left in "BI" and left_type == right_type
    if scheme == "iob1":
        return right != "B" or goes_on
    if scheme == "iob2":
        return right != "I" or goes_on
    if scheme == "bioes":
        return goes_on if right in "IE" else left not in "BI"
    return True


def breaches(sentences: Iterable[Sequence[str]], scheme: Scheme) -> list[Breach]:
    """Return every place where tags break their scheme, in order."""
    found = []
    for sentence, tags in enumerate(sentences):
        plain = [plain_tag(tag) for tag in tags]
        for word, (before, tag) in enumerate(zip(["O", *plain], plain, strict=False)):
            if not is_legal(before, tag, scheme):
                after = f"follows {tags[word - 1]}" if word else "begins a sentence"
                found.append(Breach(sentence, word, f"{tags[word]} {after}"))
        if plain and not may_end(plain[-1], scheme):
            found.append(Breach(sentence, len(tags) - 1, f"{tags[-1]} ends a sentence"))
    return found


def may_end(tag: str, scheme: Scheme) -> bool:
    """Return whether a sentence may end with a tag: in BIOES no chunk may be open."""
    return scheme != "bioes" or is_legal(tag, "O", scheme)


def is_of_scheme(tag: str, scheme: Scheme) -> bool:
    """Return whether a tag has a prefix of the scheme."""
    if scheme == "none":
        return True
    return bool(_CHUNK_TAG.fullmatch(tag)) and plain_tag(tag)[0] in PREFIXES[scheme]


def convert(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Return the same chunks in another scheme; chunks are read as conlleval reads them.

    ``tags`` may be of any scheme; in ``none`` they stay as they are.
    """
    if scheme == "none":
        return list(tags)
    result = ["O"] * len(tags)
    end, kind = -1, ""
    for chunk in chunks([plain_tag(tag) for tag in tags]):
        touches = chunk.start == end and chunk.type == kind
        end, kind = chunk.end, chunk.type
        letters = _letters(end - chunk.start, scheme, touches=touches)
        result[chunk.start : end] = [letter + (f"-{kind}" if kind else "") for letter in letters]
    return result


def _letters(size: int, scheme: Scheme, *, touches: bool) -> str:
    if scheme == "bioes":
        return "S" if size == 1 else "B" + "I" * (size - 2) + "E"
    return ("B" if scheme == "iob2" or touches else "I") + "I" * (size - 1)


def labels_of(sentences: Iterable[Sequence[str]], scheme: Scheme) -> list[str]:
    """Return the labels a tagger needs for such tags, O first and types in order.

    For chunks it is every prefix with every type, whether it occurred or not: a type seen only
    in single words may be longer elsewhere.
    """
    known = {tag for tags in sentences for tag in tags}
    if scheme == "none":
        return sorted(known)
    types = sorted({split_tag(tag)[1] for tag in known if tag != "O"})
    labels = ["O"] if "O" in known else []
    letters = PREFIXES[scheme].removesuffix("O")
    return labels + [letter + (f"-{kind}" if kind else "") for kind in types for letter in letters]


class Rules(NamedTuple):
    """What a scheme allows.

    Attributes:
        start: which labels may begin a sentence, [labels].
        steps: which labels (column) may follow each (row), [labels, labels].
        end: which labels may end a sentence, [labels].
    """

    start: Bools
    steps: Bools
    end: Bools


def rules(labels: Sequence[str], scheme: Scheme) -> Rules:
    """Return what the scheme allows these labels."""
    allowed = partial(is_legal, scheme=scheme)
    return Rules(
        np.array([allowed("O", tag) for tag in labels], dtype=bool),
        np.array([[allowed(before, tag) for tag in labels] for before in labels], dtype=bool),
        np.array([may_end(tag, scheme) for tag in labels], dtype=bool),
    )
