"""The tags of a file: checked against their scheme, written in that of training, numbered."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gloze.core.batch import IGNORE
from gloze.core.errors import DataError
from gloze.core.progress import say
from gloze.tasks.schemes import (
    PREFIXES,
    Breach,
    Scheme,
    breaches,
    convert,
    detect,
    is_of_scheme,
    labels_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gloze.core.batch import Ints
    from gloze.tasks.sentences import Sentence

_MOST_LABELS, _WORDS_A_LABEL = 1000, 50


class GoldTags(NamedTuple):
    """What the tags of a file say.

    Attributes:
        tags: of each sentence, in the scheme of training.
        scheme: they are written in.
        breaches: places that break it.
    """

    tags: list[list[str]]
    scheme: Scheme
    breaches: list[Breach]


def gold_tags(
    sentences: Sequence[Sentence],
    path: Path,
    *,
    scheme: Scheme | None = None,
    like: Scheme | None = None,
    to: Scheme | None = None,
    refuse_breaches: bool = False,
) -> GoldTags:
    """Return the tags of a file in the scheme of training.

    Chunks are read as conlleval reads them, so tags that break their scheme have a reading too.

    Args:
        sentences: with their tags.
        path: of their file, for messages.
        scheme: they are written in; None to find out.
        like: of the file trained on: where that has chunks this one has, and the reverse.
        to: the scheme of training; None for the usual one: BIOES stays, IOB1 becomes IOB2.
        refuse_breaches: refuse tags that break their scheme.

    Raises:
        DataError: at the first tag that is none of the scheme, or the first breach.
    """
    tags = [sentence.tags or () for sentence in sentences]
    scheme = scheme or detect(tags)
    if like is not None and "none" in (like, scheme):
        scheme = like
    _check_tags(sentences, scheme, path)
    found = breaches(tags, scheme)
    if found and refuse_breaches:
        raise DataError(
            f"{found[0].reason}, which {scheme} does not allow.",
            path=path,
            line=_line(sentences, found[0]),
            hint="Correct the file, or set task.breaches=convert to read it as conlleval does.",
        )
    target = to if to and scheme != "none" else usual(scheme)
    return GoldTags([convert(own, target) for own in tags], scheme, found)


def usual(scheme: Scheme) -> Scheme:
    """Return the scheme in which files of a scheme are learned."""
    return "iob2" if scheme == "iob1" else scheme


def _check_tags(sentences: Sequence[Sentence], scheme: Scheme, path: Path) -> None:
    for sentence in sentences:
        for word, tag in enumerate(sentence.tags or ()):
            if tag != tag.strip():
                raise DataError(
                    f"the tag {tag!r:.60} has a space before or after it, so it would be another "
                    f"than {tag.strip()!r:.60}.",
                    path=path,
                    line=sentence.line_of(word),
                    hint="Are there tabs in some lines and spaces in others?",
                )
            if not is_of_scheme(tag, scheme):
                raise DataError(
                    f"{tag!r:.60} is no tag of {scheme}: {', '.join(PREFIXES[scheme])}, with a "
                    "type after a hyphen.",
                    path=path,
                    line=sentence.line_of(word),
                    hint="Name another column with --columns tag=NUMBER, or set task.scheme, to "
                    "none if these are no chunks.",
                )


def _line(sentences: Sequence[Sentence], place: Breach) -> int:
    return sentences[place.sentence].line_of(place.word)


def learn_tags(gold: GoldTags, scheme: Scheme, path: Path) -> tuple[str, ...]:
    """Return the labels that the tags of the training data need.

    Raises:
        DataError: if there is nothing to tell apart, or these look like no tags.
    """
    labels = labels_of(gold.tags, scheme)
    if len(labels) < 2:
        raise DataError(
            f"every word has the tag {labels[0]!r}, so there is nothing to learn.", path=path
        )
    words = sum(map(len, gold.tags))
    if len(labels) > _MOST_LABELS and len(labels) * _WORDS_A_LABEL > words:
        raise DataError(
            f"{len(labels):,} different tags for {words:,} words: these are no tags.",
            path=path,
            hint="Name the right column with --columns tag=NUMBER.",
        )
    return tuple(labels)


def number_tags(gold: GoldTags, labels: Sequence[str], path: Path) -> Ints:
    """Return the number of each word's tag, ``IGNORE`` where training did not have it, [words].

    Raises:
        DataError: if training had none of them.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    found = np.array(
        [numbers.get(tag, IGNORE) for tags in gold.tags for tag in tags], dtype=np.int64
    )
    if len(found) and (found == IGNORE).all():
        known = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
        raise DataError(
            f"training had none of these tags. It had {known}.",
            path=path,
            hint="Name the right column with --columns tag=NUMBER.",
        )
    return found


def report_tags(gold: GoldTags, numbers: Ints, sentences: Sequence[Sentence], path: Path) -> None:
    """Say what of the tags breaks their scheme, and what training did not have."""
    if gold.breaches:
        first = gold.breaches[0]
        say(
            f"{path}: {len(gold.breaches):,} tags break {gold.scheme} and are read as conlleval "
            f"reads them; the first: {path}:{_line(sentences, first)}: {first.reason}."
        )
    if len(unseen := np.flatnonzero(numbers == IGNORE)):
        ends = np.cumsum([len(tags) for tags in gold.tags])
        sentence = int(np.searchsorted(ends, unseen[0], side="right"))
        word = int(unseen[0]) - int(ends[sentence]) + len(gold.tags[sentence])
        say(
            f"{path}: {len(unseen):,} words have tags that training did not have, so no answer "
            f"can be right there; the first: {path}:{sentences[sentence].line_of(word)}: "
            f"{gold.tags[sentence][word]}."
        )
