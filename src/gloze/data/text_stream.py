"""The text as one stream, cut into blocks wherever they are full: how language models read."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from gloze.core.batch import Bools, Ints, Samples
from gloze.core.errors import ConfigError
from gloze.core.ranges import places, ranges
from gloze.core.rng import derive, sample_keys
from gloze.core.settings import Settings
from gloze.data.order import Order
from gloze.data.plan import PLAN, Plan, Planned, write_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gloze.data.plan import PlanRows
    from gloze.data.shards import Shards
    from gloze.tokenizers.tokenizer import Tokenizer

_BLOCKS_AT_ONCE = 1 << 16
_SHORTEST = 5


@dataclass(frozen=True, kw_only=True)
class StreamConfig(Settings):
    """Blocks of one stream of text: [SEP], then every text with a [SEP] after it.

    A block begins where the one before ended, in the middle of a sentence or a document. Every
    token of the stream but its first is asked for once an epoch by a language model, the first
    of a block too where the last of the block before is seen.

    Attributes:
        max_length: tokens of a block.
        texts: what a [SEP] ends: each ``sentence``, as the lines of the Penn Treebank, or each
            ``document``.
        order: ``shuffled`` meets blocks in any order; ``consecutive`` reads the stream at as many
            places at once as a step has sequences, each place going on where it was, so that a
            recurrent encoder keeps its state (Zaremba et al. 2015, 4.1).
        length_spread: standard deviation of the lengths of blocks, of which one in twenty aims at
            half of ``max_length`` (Merity et al. 2018, 5); 0 for blocks of one length. What is
            drawn over ``max_length`` is cut to it.
    """

    kind: Literal["stream"] = "stream"
    max_length: int = 128
    texts: Literal["sentence", "document"] = "sentence"
    order: Order = "shuffled"
    length_spread: float = 0.0

    def __post_init__(self) -> None:
        if self.max_length < 2:
            raise ConfigError(f"sampler.max_length is {self.max_length}; it must be at least 2.")
        if self.length_spread < 0:
            raise ConfigError(
                f"sampler.length_spread is {self.length_spread}; it must not be negative."
            )

    def build(self, shards: Shards, tokenizer: Tokenizer, seed: int) -> StreamSampler:
        """Return the sampler over these shards."""
        return StreamSampler(self, shards, tokenizer, seed)


class StreamSampler(Planned):
    """The blocks of a corpus by number; all depends on (seed, epoch, index) alone."""

    def __init__(
        self, config: StreamConfig, shards: Shards, tokenizer: Tokenizer, seed: int
    ) -> None:
        super().__init__()
        self.config, self.shards, self.seed = config, shards, seed
        self.sep_id = tokenizer.sep_id
        is_short = config.texts == "sentence"
        self._num_texts = shards.num_sentences if is_short else shards.num_documents
        # Of the stream, with its first [SEP].
        self._size = shards.num_tokens + self._num_texts + 1 if shards.num_tokens else 0

    def _make_plan(self, epoch: int) -> Plan:
        return write_plan(self._rows(epoch))

    def _rows(self, epoch: int) -> Iterator[PlanRows]:
        """Cut the stream; blocks of even length begin at another place in each epoch."""
        draw = random.Random(derive("stream", self.seed, epoch))
        # The last token is asked for at the one before and has no place in a block.
        start, end = 0, self._size - 1
        while start < end:
            if self.config.length_spread:
                sizes = [self._draw_length(draw) for _ in range(_BLOCKS_AT_ONCE)]
            else:
                first = [] if start else [1 + int(draw.random() * self.config.max_length)]
                sizes = first + [self.config.max_length] * (_BLOCKS_AT_ONCE - len(first))
            edges = np.minimum(start + np.cumsum([0, *sizes]), end)
            edges = edges[: int(np.searchsorted(edges, end)) + 1]
            rows = np.zeros(len(edges) - 1, dtype=PLAN)
            rows["a_start"], rows["a_length"] = edges[:-1], np.diff(edges)
            rows["length"] = rows["a_length"]
            yield rows
            start = int(edges[-1])

    def _draw_length(self, draw: random.Random) -> int:
        most = self.config.max_length
        aim = most if draw.random() < 0.95 else most / 2
        drawn = round(draw.gauss(aim, self.config.length_spread))
        return min(max(drawn, min(_SHORTEST, most)), most)

    def statistics(self, epoch: int) -> dict[str, float]:
        """Return counts of ``epoch``, and the share of blocks of full length."""
        lengths = self.lengths(epoch)
        return {
            "sequences": len(lengths),
            "tokens": int(lengths.sum(dtype=np.int64)),
            "full_length_share": float(np.mean(lengths == self.config.max_length)),
        }

    def samples(self, epoch: int, indices: Ints) -> Samples:
        """Cut these blocks of ``epoch`` from the stream, with the tokens on both sides."""
        rows = self.plan(epoch).rows[indices]
        starts, lengths = rows["a_start"], rows["a_length"].astype(np.int64)
        # Each with the token before it and the one after it; before the stream stands nothing.
        ids, word_starts, is_special = self._read(starts - 1, lengths + 2)
        inside = ranges(np.cumsum(lengths + 2) - lengths - 1, lengths)
        edges = np.cumsum(lengths + 2)
        return Samples(
            input_ids=ids[inside],
            token_type_ids=np.zeros(len(inside), dtype=np.int64),
            lengths=lengths,
            is_special=is_special[inside],
            word_starts=word_starts[inside],
            keys=sample_keys(self.seed, epoch, indices),
            indices=indices,
            before=np.where(starts > 0, ids[edges - lengths - 2], -1),
            after=ids[edges - 1],
        )

    def _read(self, starts: Ints, lengths: Ints) -> tuple[Ints, Bools, Bools]:
        """Return ids of pieces of the stream, which start words, and which are [SEP]."""
        # Place 0 of the stream is the first [SEP]; so text number k begins at its place among
        # the tokens and k + 1, and ends with a [SEP].
        first = self._text_at(starts)
        places_ = np.repeat(starts, lengths) + places(lengths)
        # A piece has at most as many texts as tokens.
        text = np.empty(len(places_), dtype=np.int64)
        at = 0
        for start, number, length in zip(
            starts.tolist(), first.tolist(), lengths.tolist(), strict=True
        ):
            most = min(self._num_texts, number + length + 1)
            begins = self._begins(np.arange(max(number, 0), most))
            found = np.searchsorted(begins, np.arange(start, start + length), side="right") - 1
            text[at : at + length] = found + max(number, 0)
            at += length
        known = np.maximum(text, 0)
        token = places_ - 1 - known
        is_special = (text < 0) | (token == self._edge(known + 1)) | (places_ < 1)
        token = np.where(is_special, 0, token)
        ids = np.where(is_special, self.sep_id, self.shards.tokens[token].astype(np.int64))
        word_starts = (self.shards.word_starts[token >> 3] >> (token & 7)) & 1
        return ids, (word_starts == 1) & ~is_special, is_special

    def _edge(self, numbers: Ints) -> Ints:
        """Return where these texts begin among the tokens; the one past the last is their end."""
        if self.config.texts == "document":
            numbers = np.asarray(self.shards.documents[numbers])
        return np.asarray(self.shards.sentences[numbers])

    def _begins(self, numbers: Ints) -> Ints:
        return self._edge(numbers) + numbers + 1

    def _text_at(self, starts: Ints) -> Ints:
        """Return the last text that begins at or before each place; -1 before the first.

        The beginnings are never laid out in memory.
        """
        low, high = np.full_like(starts, -1), np.full_like(starts, self._num_texts)
        while (high - low).max(initial=0) > 1:
            middle = np.minimum((low + high) // 2, self._num_texts - 1)
            is_after = self._begins(np.maximum(middle, 0)) > starts
            low, high = np.where(is_after, low, middle), np.where(is_after, middle, high)
        return low
