"""What one training sequence is: a pair of segments, or one block of text.

A sampler first plans an epoch: where in the shards each sequence lies, a few numbers each, kept
in a temporary file so that memory stays flat. Sequences are then cut from the shards by number.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from gloze.core.batch import Ints, Samples
from gloze.core.errors import ConfigError, DataError
from gloze.core.ranges import ranges
from gloze.core.rng import derive, sample_keys, uniform
from gloze.core.settings import Settings
from gloze.data.order import Order
from gloze.data.plan import PLAN, Plan, Planned, PlanRows, write_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gloze.data.shards import Shards
    from gloze.tokenizers.tokenizer import Tokenizer

_DOCUMENTS_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class SegmentPairConfig(Settings):
    """[CLS] A [SEP] B [SEP], B following A or from another document (Devlin et al. 2019, A.2).

    Attributes:
        max_length: tokens of a sequence with [CLS] and [SEP].
        short_rate: share of sequences that aim at a random shorter length.
        random_rate: share of pairs whose B is from elsewhere; a chunk of a single sentence has
            no second half, so its B always is, and the true share is somewhat higher.
        dupe_factor: so many epochs are drawn, pairs and masks, and then met again in turn, as
            the original data script did; by default every epoch is drawn anew.
    """

    kind: Literal["segment_pair"] = "segment_pair"
    max_length: int = 128
    short_rate: float = 0.1
    random_rate: float = 0.5
    dupe_factor: int | None = None

    def __post_init__(self) -> None:
        _check(self, 5, short_rate=self.short_rate, random_rate=self.random_rate)

    def build(self, shards: Shards, tokenizer: Tokenizer, seed: int) -> Sampler:
        """Return the sampler over these shards.

        Raises:
            DataError: if there is no other document to draw a random B from.
        """
        if shards.num_documents < 2 and self.random_rate > 0:
            raise DataError(
                "the corpus has one document, and random next sentences come from another one.",
                path=shards.folder,
                hint="Separate documents by blank lines, or leave pairs out: "
                "--set sampler.kind=text_block --set objectives.nsp=none.",
            )
        return Sampler(self, shards, tokenizer, seed)

    def rows(self, shards: Shards, documents: range, seed: int, epoch: int) -> PlanRows:
        """Plan the sequences of some documents: pack sentences, cut in two, draw the B."""
        draw = random.Random(derive("pairs", seed, epoch, documents.start)).random
        target = self.max_length - 3
        found: list[tuple[int, ...]] = []
        for document, offsets in _sentence_offsets(shards, documents):
            first, last = 0, len(offsets) - 1
            while first < last:
                goal = 2 + int(draw() * (target - 1)) if draw() < self.short_rate else target
                end = _reach(offsets, first, goal)
                cut = first + 1 + (int(draw() * (end - first - 1)) if end - first > 1 else 0)
                is_random = end - first == 1 or draw() < self.random_rate
                if is_random and self.random_rate > 0:
                    wanted = max(1, goal - (offsets[cut] - offsets[first]))
                    found.append((offsets[first], offsets[cut], document, 0, wanted, 1))
                    first = cut  # the unused tail is put back
                else:
                    found.append((offsets[first], offsets[cut], document, offsets[end], 0, 0))
                    first = end
        return self._rows(found, shards, derive("others", seed, epoch, documents.start))

    def _rows(self, found: list[tuple[int, ...]], shards: Shards, seed: int) -> PlanRows:
        a_start, a_end, document, b_end, wanted, is_random = (
            np.array(found, dtype=np.int64).reshape(-1, 6).T
        )
        b_start = a_end.copy()
        drawn = is_random == 1
        b_start[drawn], b_end[drawn] = _elsewhere(shards, document[drawn], wanted[drawn], seed)
        rows = np.zeros(len(found), dtype=PLAN)
        rows["a_start"], rows["a_length"] = a_start, a_end - a_start
        rows["b_start"], rows["b_length"] = b_start, b_end - b_start
        rows["is_random"] = drawn
        special = 2 + (rows["b_length"] > 0)
        text = rows["a_length"] + rows["b_length"]
        rows["length"] = special + np.minimum(text, self.max_length - special)
        return rows


@dataclass(frozen=True, kw_only=True)
class TextBlockConfig(Settings):
    """[CLS] text [SEP]: whole sentences of one document, as many as fit, without pairs.

    Attributes:
        max_length: tokens of a sequence with [CLS] and [SEP].
        short_rate: share of sequences that aim at a random shorter length.
        dupe_factor: as of pairs.
        within: ``sentence`` makes each sentence a sequence, which a language model begins and
            ends; one over the length is cut.
        order: ``consecutive`` as of a stream: sequences follow one another as in the corpus, at
            as many places at once as a step has sequences.
    """

    kind: Literal["text_block"] = "text_block"
    max_length: int = 128
    short_rate: float = 0.1
    dupe_factor: int | None = None
    within: Literal["document", "sentence"] = "document"
    order: Order = "shuffled"

    def __post_init__(self) -> None:
        _check(self, 3, short_rate=self.short_rate)
        if self.within == "sentence" and self.short_rate:
            raise ConfigError(
                f"sampler.short_rate is {self.short_rate}, and sentences have lengths of their "
                "own: set it to 0 with sampler.within=sentence."
            )

    def build(self, shards: Shards, tokenizer: Tokenizer, seed: int) -> Sampler:
        """Return the sampler over these shards."""
        return Sampler(self, shards, tokenizer, seed)

    def rows(self, shards: Shards, documents: range, seed: int, epoch: int) -> PlanRows:
        """Plan the sequences of some documents; a sentence over the length is cut up."""
        draw = random.Random(derive("blocks", seed, epoch, documents.start)).random
        limit = self.max_length - 2
        found: list[tuple[int, int]] = []
        for _, edges in _sentence_offsets(shards, documents):
            for offsets in [edges] if self.within == "document" else pairwise(edges):
                start, end = offsets[0], offsets[-1]
                while start < end:
                    goal = 1 + int(draw() * limit) if draw() < self.short_rate else limit
                    stop = offsets[bisect_right(offsets, start + goal) - 1]
                    if stop <= start:  # a sentence over the goal is cut
                        stop = min(end, start + goal)
                    found.append((start, stop - start))
                    start = stop
        rows = np.zeros(len(found), dtype=PLAN)
        rows["a_start"], rows["a_length"] = np.array(found, dtype=np.int64).reshape(-1, 2).T
        rows["length"] = rows["a_length"] + 2
        return rows


class Sampler(Planned):
    """The sequences of a corpus by number; all depends on (seed, epoch, index) alone."""

    def __init__(
        self,
        config: SegmentPairConfig | TextBlockConfig,
        shards: Shards,
        tokenizer: Tokenizer,
        seed: int,
    ) -> None:
        super().__init__()
        self.config, self.shards, self.seed = config, shards, seed
        self.cls_id, self.sep_id = tokenizer.cls_id, tokenizer.sep_id

    def drawn(self, epoch: int) -> int:
        """Return the epoch whose draws ``epoch`` has: another one where draws are met again."""
        return epoch % self.config.dupe_factor if self.config.dupe_factor else epoch

    def _make_plan(self, epoch: int) -> Plan:
        count = self.shards.num_documents
        blocks = (
            range(first, min(first + _DOCUMENTS_AT_ONCE, count))
            for first in range(0, count, _DOCUMENTS_AT_ONCE)
        )
        rows = self.config.rows
        return write_plan(rows(self.shards, block, self.seed, epoch) for block in blocks)

    def statistics(self, epoch: int) -> dict[str, float]:
        """Return the true shares of ``epoch``: random next, shortened and truncated sequences."""
        return self.plan(epoch).statistics(self.config.max_length)

    def samples(self, epoch: int, indices: Ints) -> Samples:
        """Cut these sequences of ``epoch`` from the shards."""
        rows = self.plan(epoch).rows[indices]
        keys = sample_keys(self.seed, self.drawn(epoch), indices)
        has_b = rows["b_length"] > 0
        room = self.config.max_length - 2 - has_b
        a_start, a_length, b_start, b_length = truncate(rows, room, keys)
        lengths = a_length + b_length + 2 + has_b
        starts = np.cumsum(lengths) - lengths
        total = int(lengths.sum())
        b_places = starts + a_length + 2
        target = np.r_[ranges(starts + 1, a_length), ranges(b_places, b_length)]
        origin = np.r_[ranges(a_start, a_length), ranges(b_start, b_length)]
        input_ids = np.full(total, self.sep_id, dtype=np.int64)
        input_ids[starts] = self.cls_id
        input_ids[target] = self.shards.tokens[origin]
        is_special = np.ones(total, dtype=bool)
        is_special[target] = False
        word_starts = np.zeros(total, dtype=bool)
        word_starts[target] = (self.shards.word_starts[origin >> 3] >> (origin & 7)) & 1
        token_type_ids = np.zeros(total, dtype=np.int64)
        token_type_ids[ranges(b_places[has_b], b_length[has_b] + 1)] = 1
        samples = Samples(
            input_ids, token_type_ids, lengths, is_special, word_starts, keys, indices
        )
        if self.config.kind == "segment_pair":
            return samples.with_labels("nsp", rows["is_random"].astype(np.int64))
        return samples


def truncate(rows: PlanRows, room: Ints, keys: npt.NDArray[np.uint64]) -> tuple[Ints, ...]:
    """Shorten segments to ``room`` tokens: off the longer one, front or back by fair coins.

    Returns:
        a_start, a_length, b_start, b_length, each [samples] int64.
    """
    a, b = rows["a_length"].astype(np.int64), rows["b_length"].astype(np.int64)
    smaller = np.minimum(a, b)
    uneven = smaller <= room - smaller
    # Tokens go one by one off the longer segment, off B when they are alike.
    a_kept = np.where(uneven, np.where(a <= b, a, room - b), room - room // 2)
    b_kept = np.where(uneven, np.where(a <= b, room - a, b), room // 2)
    fits = a + b <= room
    a_kept, b_kept = np.where(fits, a, a_kept), np.where(fits, b, b_kept)
    a_front = _coins(a - a_kept, keys, derive("front of a"))
    b_front = _coins(b - b_kept, keys, derive("front of b"))
    return rows["a_start"] + a_front, a_kept, rows["b_start"] + b_front, b_kept


def _coins(counts: Ints, keys: npt.NDArray[np.uint64], salt: int) -> Ints:
    """Throw so many fair coins for each key and return the heads."""
    owner = np.repeat(np.arange(len(counts)), counts)
    throw = ranges(np.zeros_like(counts), counts).astype(np.uint64)
    heads = uniform(keys[owner] + throw, salt) < 0.5
    return np.bincount(owner[heads], minlength=len(counts)).astype(np.int64)


def _check(config: SegmentPairConfig | TextBlockConfig, least: int, **rates: float) -> None:
    if config.max_length < least:
        longest = config.max_length
        raise ConfigError(f"sampler.max_length is {longest}; it must be at least {least}.")
    if config.dupe_factor is not None and config.dupe_factor < 1:
        raise ConfigError(f"sampler.dupe_factor is {config.dupe_factor}; it must be at least 1.")
    for name, rate in rates.items():
        if not 0 <= rate <= 1:
            raise ConfigError(f"sampler.{name} is {rate}; it must be from 0 to 1.")


def _sentence_offsets(shards: Shards, documents: range) -> Iterator[tuple[int, list[int]]]:
    edges = np.asarray(shards.documents[documents.start : documents.stop + 1])
    for document, first, last in zip(documents, edges[:-1], edges[1:], strict=True):
        yield document, shards.sentences[first : last + 1].tolist()


def _reach(offsets: list[int], first: int, goal: int) -> int:
    """Return the first sentence end at ``goal`` tokens or more after ``first``, or the last."""
    return min(bisect_left(offsets, offsets[first] + goal, first + 1), len(offsets) - 1)


def _elsewhere(shards: Shards, documents: Ints, wanted: Ints, seed: int) -> tuple[Ints, Ints]:
    """Draw for each a sentence of another document, and whole sentences up to ``wanted``."""
    keys = np.arange(len(documents), dtype=np.uint64)
    other = (uniform(keys, seed) * (shards.num_documents - 1)).astype(np.int64)
    other += other >= documents
    first, last = np.asarray(shards.documents[other]), np.asarray(shards.documents[other + 1])
    sentence = first + (uniform(keys, seed + 1) * (last - first)).astype(np.int64)
    start = np.asarray(shards.sentences[sentence])
    end = np.minimum(np.searchsorted(shards.sentences, start + wanted), last)
    return start, np.asarray(shards.sentences[end])
