"""Examples as ids: what a task trains on and answers from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gloze.core.batch import Ints, Samples
from gloze.core.ranges import ranges
from gloze.core.rng import sample_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNKNOWN_WORTH_A_WORD = 0.01


@dataclass(frozen=True, kw_only=True)
class EncodedExamples:
    """Examples laid end to end: a source of samples for training, and for prediction.

    A sample is a sequence, or several that are judged together: the options of a question, the
    windows of a long text.

    Attributes:
        name: of the task, under which ``labels`` travel with the samples.
        input_ids: of all sequences, [tokens] int32.
        token_type_ids: 0 in the first segment, 1 in the second, [tokens].
        is_special: true at [CLS] and [SEP], [tokens].
        word_starts: true at the first token of a word, [tokens].
        sequence_lengths: tokens of each sequence, [sequences].
        sizes: sequences of each sample, [samples]; None if a sample is a sequence.
        labels: one for each sample, or for each of ``positions``; None if they are not known.
        positions: the tokens that are asked about, ascending; None if whole samples are.
        seed: of the random bits that each sequence carries.
        truncated: how many examples were cut to the length limit.
        states: what a frozen encoder makes of the tokens, [tokens, layers, hidden], if it is known.
    """

    name: str
    input_ids: npt.NDArray[np.int32]
    token_type_ids: npt.NDArray[np.uint8]
    is_special: npt.NDArray[np.bool_]
    word_starts: npt.NDArray[np.bool_]
    sequence_lengths: Ints
    sizes: Ints | None = None
    labels: npt.NDArray[np.generic] | None = None
    positions: Ints | None = None
    seed: int = 0
    truncated: int = 0
    unk_id: int = -1
    states: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.all_lengths)

    @cached_property
    def all_lengths(self) -> Ints:
        """Tokens of each sample, [samples]."""
        if self.sizes is None or not len(self.sizes):
            return self.sequence_lengths
        return np.add.reduceat(self.sequence_lengths, self.first_sequences)

    @cached_property
    def first_sequences(self) -> Ints:
        """The number of each sample's first sequence, [samples]."""
        if self.sizes is None:
            return np.arange(len(self.sequence_lengths))
        return np.cumsum(self.sizes) - self.sizes

    @cached_property
    def starts(self) -> Ints:
        """Where each sample begins, [samples]."""
        return np.cumsum(self.all_lengths) - self.all_lengths

    @property
    def num_asked(self) -> Ints:
        """Positions asked about in each sample, [samples]; one if whole samples are."""
        if self.positions is None:
            return np.ones_like(self.all_lengths)
        edges = np.append(self.starts, len(self.input_ids))
        return np.diff(np.searchsorted(self.positions, edges))

    def lengths(self, epoch: int) -> Ints:
        """Return the tokens of every sample, the same in each epoch, [samples]."""
        return self.all_lengths

    def samples(self, epoch: int, indices: Ints) -> Samples:
        """Return these samples."""
        starts, lengths = self.starts[indices], self.all_lengths[indices]
        where = ranges(starts, lengths)
        sequences, sizes = indices, None
        if self.sizes is not None:
            sizes = self.sizes[indices]
            sequences = ranges(self.first_sequences[indices], sizes)
        samples = Samples(
            self.input_ids[where].astype(np.int64),
            self.token_type_ids[where].astype(np.int64),
            self.sequence_lengths[sequences],
            self.is_special[where],
            self.word_starts[where],
            sample_keys(self.seed, epoch, sequences),
            indices,
            sizes,
            None if self.states is None else self.states[where],
        )
        if self.labels is None:
            return samples
        if self.positions is None:
            return samples.with_labels(self.name, self.labels[indices])
        first = np.searchsorted(self.positions, starts)
        counts = np.searchsorted(self.positions, starts + lengths) - first
        asked = ranges(first, counts)
        moved = np.repeat(np.cumsum(lengths) - lengths - starts, counts)
        return samples.with_labels(self.name, self.labels[asked], self.positions[asked] + moved)

    def counts(self) -> dict[str, int]:
        """Return how much there is, and how much of it is cut or unknown."""
        return {
            "examples": len(self),
            "tokens": len(self.input_ids),
            "truncated": self.truncated,
            "unknown": int(np.count_nonzero(self.input_ids == self.unk_id)),
            "unreadable": self._unreadable(),
        }

    def _unreadable(self) -> int:
        """Return how many samples have tokens, and none that is known."""
        if not len(self):
            return 0
        texts = ~self.is_special
        known = np.add.reduceat(texts & (self.input_ids != self.unk_id), self.starts)
        return int(np.count_nonzero((known == 0) & (np.add.reduceat(texts, self.starts) > 0)))

    def summary(self) -> dict[str, float]:
        """Return counts and true shares, for reports."""
        return shares(self.counts())


def shares(counts: Mapping[str, int]) -> dict[str, float]:
    """Return the shares of examples cut and of tokens unknown, beside the counts they are of."""
    return {
        "examples": counts["examples"],
        "tokens": counts["tokens"],
        "truncated": counts["truncated"],
        "truncated_share": counts["truncated"] / max(counts["examples"], 1),
        "unknown_share": counts["unknown"] / max(counts["tokens"], 1),
        "unreadable": counts["unreadable"],
    }


def lines_of_loss(name: str, summary: Mapping[str, float]) -> list[str]:
    """Return a line for each thing of the texts that a model did not get to see."""
    lines = []
    if summary["truncated_share"]:
        lines.append(
            f"  {name}: {summary['truncated']:,} of {summary['examples']:,} examples were cut "
            f"({summary['truncated_share']:.2%})."
        )
    if summary["unknown_share"] > _UNKNOWN_WORTH_A_WORD:
        lines.append(f"  {name}: {summary['unknown_share']:.2%} of tokens are unknown.")
    if summary["unreadable"]:
        lines.append(f"  {name}: {summary['unreadable']:,} examples have unknown tokens alone.")
    return lines
