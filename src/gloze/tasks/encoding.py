"""Texts to sequences of ids: [CLS] a [SEP], or [CLS] a [SEP] b [SEP]; long ones cut."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from gloze.core.batch import Ints
from gloze.core.ranges import places, ranges
from gloze.data.windows import Windows, token_numbers, windows
from gloze.tasks.encoded import EncodedExamples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.tasks.examples import Example
    from gloze.tokenizers.tokenizer import Tokenizer

# What is kept of a text that is too long: its beginning, or that and its end.
Keep = Literal["head", "head_tail"]
# Of a text cut in its middle 128 of 510 tokens are its beginning (Sun et al. 2019, How to
# fine-tune BERT for text classification, 5.3.1).
_HEAD_SHARE = 128 / 510


@dataclass(frozen=True)
class Segments:
    """A part of each of many sequences: which tokens of some texts it is made of.

    Attributes:
        ids: of all texts end to end, [tokens].
        word_starts: true at the first token of a word, [tokens].
        where: the tokens taken, sequence after sequence.
        lengths: how many are taken for each sequence, [sequences].
    """

    ids: npt.NDArray[np.int32]
    word_starts: npt.NDArray[np.bool_]
    where: Ints
    lengths: Ints


def beginnings(
    tokenizer: Tokenizer, ids: npt.NDArray[np.int32], lengths: Ints, owner: Ints, kept: Ints
) -> Segments:
    """Return the first tokens of a text for each sequence.

    Args:
        tokenizer: of the texts.
        ids: of all texts end to end.
        lengths: tokens of each text.
        owner: which text each sequence begins with, [sequences].
        kept: how many tokens of it, [sequences].
    """
    starts = (np.cumsum(lengths) - lengths)[owner]
    return Segments(ids, tokenizer.word_starts(ids, lengths), ranges(starts, kept), kept)


def joined(a: Segments, b: Segments) -> Segments:
    """Return of each sequence the tokens of ``a`` and then those of ``b``."""
    lengths = a.lengths + b.lengths
    starts = np.cumsum(lengths) - lengths
    where = np.empty(int(lengths.sum()), dtype=np.int64)
    where[ranges(starts, a.lengths)] = a.where
    where[ranges(starts + a.lengths, b.lengths)] = len(a.ids) + b.where
    return Segments(np.r_[a.ids, b.ids], np.r_[a.word_starts, b.word_starts], where, lengths)


def encode_examples(
    name: str,
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    *,
    max_length: int,
    labels: npt.NDArray[np.generic] | None = None,
    keep: Keep = "head",
) -> EncodedExamples:
    """Encode examples, each cut to ``max_length`` tokens in its longer segment.

    Args:
        name: of the task.
        examples: of one text or two.
        tokenizer: of the encoder.
        max_length: of a sequence with [CLS] and [SEP].
        labels: one for each example.
        keep: what is left of a segment that is cut.
    """
    a_ids, a_lengths = tokenizer.encode([example.text_a for example in examples])
    b_ids, b_lengths = tokenizer.encode([example.text_b or "" for example in examples])
    has_b = np.array([example.text_b is not None for example in examples], dtype=bool)
    a_kept, b_kept = longest_first(a_lengths, b_lengths, max_length - 2 - has_b)
    return lay_out(
        name,
        tokenizer,
        _cut(tokenizer, a_ids, a_lengths, a_kept, keep),
        _cut(tokenizer, b_ids, b_lengths, b_kept, keep),
        has_second=has_b,
        labels=labels,
        truncated=int(np.count_nonzero((a_kept < a_lengths) | (b_kept < b_lengths))),
    )


def encode_both_orders(
    name: str,
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    *,
    max_length: int,
    labels: npt.NDArray[np.generic] | None = None,
    keep: Keep = "head",
) -> EncodedExamples:
    """Encode pairs of texts both ways round, two sequences each.

    The first of the two is the one that sorts first, whichever the example has first: a pair and
    its reverse are the same sample to the last bit.
    """
    pairs = [sorted((each, _reversed(each)), key=_texts) for each in examples]
    encoded = encode_examples(
        name,
        [each for pair in pairs for each in pair],
        tokenizer,
        max_length=max_length,
        keep=keep,
    )
    sizes = np.full(len(examples), 2, dtype=np.int64)
    # What is too long one way round is so the other way.
    return replace(encoded, sizes=sizes, labels=labels, truncated=encoded.truncated // 2)


def _reversed(example: Example) -> Example:
    assert example.text_b is not None
    return replace(example, text_a=example.text_b, text_b=example.text_a)


def _texts(example: Example) -> tuple[str, str]:
    return example.text_a, example.text_b or ""


def encode_windows(
    name: str,
    texts: Sequence[str],
    tokenizer: Tokenizer,
    *,
    max_length: int,
    stride: int,
    most: int,
    labels: npt.NDArray[np.generic] | None = None,
) -> EncodedExamples:
    """Encode texts as overlapping windows, a sequence each; a sample is a text with all of them.

    Args:
        name: of the task.
        texts: of any length.
        tokenizer: of the encoder.
        max_length: of a sequence with [CLS] and [SEP].
        stride: tokens from the start of one window to that of the next.
        most: windows of a text; what is past them is cut.
        labels: one for each text.
    """
    ids, lengths = tokenizer.encode(texts)
    cut = windows(lengths, max_length - 2, stride)
    counts = np.bincount(cut.owner, minlength=len(texts))
    is_kept = places(counts) < most
    kept = Windows(*(part[is_kept] for part in cut))
    segments = Segments(
        ids, tokenizer.word_starts(ids, lengths), token_numbers(lengths, kept), kept.lengths
    )
    return replace(
        lay_out(name, tokenizer, segments),
        sizes=np.minimum(counts, most),
        labels=labels,
        truncated=int(np.count_nonzero(counts > most)),
    )


def _cut(
    tokenizer: Tokenizer, ids: npt.NDArray[np.int32], lengths: Ints, kept: Ints, keep: Keep
) -> Segments:
    """Return the tokens that are kept of each text."""
    where = ranges(np.cumsum(lengths) - lengths, kept)
    if keep == "head_tail":
        head = np.where(kept < lengths, np.rint(kept * _HEAD_SHARE).astype(np.int64), kept)
        is_tail = places(kept) >= np.repeat(head, kept)
        where = where + is_tail * np.repeat(lengths - kept, kept)
    return Segments(ids, tokenizer.word_starts(ids, lengths), where, kept)


def lay_out(
    name: str,
    tokenizer: Tokenizer,
    first: Segments,
    second: Segments | None = None,
    *,
    has_second: npt.NDArray[np.bool_] | None = None,
    labels: npt.NDArray[np.generic] | None = None,
    truncated: int = 0,
) -> EncodedExamples:
    """Lay sequences end to end: [CLS] first [SEP], or [CLS] first [SEP] second [SEP].

    Where fine-tuning gave the tokenizer a token to end them with, it stands for the last [SEP].

    Args:
        name: of the task.
        tokenizer: knows the special tokens.
        first: of each sequence.
        second: of each sequence, if any has one.
        has_second: which sequences have; all if ``second`` is given and this is not.
        labels: one for each sequence.
        truncated: how many examples lost tokens on the way.
    """
    count = len(first.lengths)
    if has_second is None:
        has_second = np.full(count, second is not None)
    ends = first.lengths + 2
    lengths = ends + has_second
    if second is not None:
        lengths = lengths + second.lengths
    starts = np.cumsum(lengths) - lengths
    total = int(lengths.sum())
    input_ids = np.full(total, tokenizer.sep_id, dtype=np.int32)
    input_ids[starts] = tokenizer.cls_id
    input_ids[starts + lengths - 1] = tokenizer.end_id
    is_special = np.ones(total, dtype=bool)
    word_starts = np.zeros(total, dtype=bool)
    segments = [(first, starts + 1)] + ([] if second is None else [(second, starts + ends)])
    for segment, begins in segments:
        target = ranges(begins, segment.lengths)
        input_ids[target] = segment.ids[segment.where]
        is_special[target] = False
        word_starts[target] = segment.word_starts[segment.where]
    token_type_ids = np.zeros(total, dtype=np.uint8)
    token_type_ids[ranges(starts + ends, lengths - ends)] = 1
    return EncodedExamples(
        name=name,
        input_ids=input_ids,
        token_type_ids=token_type_ids,
        is_special=is_special,
        word_starts=word_starts,
        sequence_lengths=lengths,
        labels=labels,
        truncated=truncated,
        unk_id=tokenizer.unk_id,
    )


def longest_first(a: Ints, b: Ints, room: Ints) -> tuple[Ints, Ints]:
    """Return how much of each pair of segments is kept when together they have ``room``.

    Tokens go one by one off the longer segment, off B when they are alike (Devlin et al. 2019,
    released code).
    """
    a_over, b_over = a > room - room // 2, b > room // 2
    a_kept = np.where(a_over & b_over, room - room // 2, np.where(a_over, room - b, a))
    b_kept = np.where(a_over & b_over, room // 2, np.where(b_over, room - a, b))
    fits = a + b <= room
    return np.where(fits, a, a_kept), np.where(fits, b, b_kept)
