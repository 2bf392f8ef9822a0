"""Examples as sequences of ids: [CLS] a [SEP], or [CLS] a [SEP] b [SEP]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gloze.core.batch import Ints, Samples
from gloze.core.ranges import ranges
from gloze.core.rng import sample_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gloze.tasks.examples import Example
    from gloze.tokenizers.tokenizer import Tokenizer

_UNKNOWN_WORTH_A_WORD = 0.01


@dataclass(frozen=True)
class EncodedExamples:
    """Examples laid end to end: a source of samples for training, and for prediction.

    Attributes:
        name: of the task, under which ``labels`` travel with the samples.
        input_ids: of all examples, [tokens] int32.
        is_special: true at [CLS] and [SEP], [tokens].
        word_starts: true at the first token of a word, [tokens].
        starts: where each example begins, [examples].
        first_lengths: tokens of the first segment with its specials, [examples].
        all_lengths: tokens of each example, [examples].
        labels: one for each example; None if they are not known.
        seed: of the random bits that each sample carries.
        truncated: how many examples were cut to the length limit.
        unknown: how many tokens are not in the vocabulary.
    """

    name: str
    input_ids: npt.NDArray[np.int32]
    is_special: npt.NDArray[np.bool_]
    word_starts: npt.NDArray[np.bool_]
    starts: Ints
    first_lengths: Ints
    all_lengths: Ints
    labels: npt.NDArray[np.generic] | None
    seed: int
    truncated: int
    unknown: int

    def lengths(self, epoch: int) -> Ints:
        """Return the tokens of every example, the same in each epoch, [examples]."""
        return self.all_lengths

    def samples(self, epoch: int, indices: Ints) -> Samples:
        """Return these examples."""
        lengths = self.all_lengths[indices]
        where = ranges(self.starts[indices], lengths)
        begins = np.cumsum(lengths) - lengths
        first = self.first_lengths[indices]
        token_type_ids = np.zeros(len(where), dtype=np.int64)
        token_type_ids[ranges(begins + first, lengths - first)] = 1
        samples = Samples(
            self.input_ids[where].astype(np.int64),
            token_type_ids,
            lengths,
            self.is_special[where],
            self.word_starts[where],
            sample_keys(self.seed, epoch, indices),
            indices,
        )
        if self.labels is None:
            return samples
        return samples.with_labels(self.name, self.labels[indices])

    def counts(self) -> dict[str, int]:
        """Return how much there is, and how much of it is cut or unknown."""
        return {
            "examples": len(self.all_lengths),
            "tokens": int(self.all_lengths.sum()),
            "truncated": self.truncated,
            "unknown": self.unknown,
        }

    def summary(self) -> dict[str, float]:
        """Return counts and true shares, for reports."""
        return shares(self.counts())


def shares(counts: Mapping[str, int]) -> dict[str, float]:
    """Return the shares of examples cut and of tokens unknown, beside the counts they are of."""
    return {
        "examples": counts["examples"],
        "tokens": counts["tokens"],
        "truncated_share": counts["truncated"] / max(counts["examples"], 1),
        "unknown_share": counts["unknown"] / max(counts["tokens"], 1),
    }


def lines_of_loss(name: str, summary: Mapping[str, float]) -> list[str]:
    """Return a line for each thing of the texts that a model did not get to see."""
    lines = []
    if summary["truncated_share"]:
        lines.append(f"  {name}: {summary['truncated_share']:.2%} of examples were cut.")
    if summary["unknown_share"] > _UNKNOWN_WORTH_A_WORD:
        lines.append(f"  {name}: {summary['unknown_share']:.2%} of tokens are unknown.")
    return lines


def encode_examples(
    name: str,
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    *,
    max_length: int,
    labels: npt.NDArray[np.generic] | None = None,
    seed: int = 0,
) -> EncodedExamples:
    """Encode examples, each cut to ``max_length`` tokens from the end of its longer segment."""
    a_ids, a_lengths = tokenizer.encode([example.text_a for example in examples])
    b_ids, b_lengths = tokenizer.encode([example.text_b or "" for example in examples])
    has_b = np.array([example.text_b is not None for example in examples], dtype=np.int64)
    a_kept, b_kept = longest_first(a_lengths, b_lengths, max_length - 2 - has_b)
    first = a_kept + 2
    lengths = first + b_kept + has_b
    starts = np.cumsum(lengths) - lengths
    target = np.r_[ranges(starts + 1, a_kept), ranges(starts + first, b_kept)]
    a_from = ranges(np.cumsum(a_lengths) - a_lengths, a_kept)
    b_from = ranges(np.cumsum(b_lengths) - b_lengths, b_kept)
    total = int(lengths.sum())
    input_ids = np.full(total, tokenizer.sep_id, dtype=np.int32)
    input_ids[starts] = tokenizer.cls_id
    input_ids[target] = np.r_[a_ids[a_from], b_ids[b_from]]
    is_special = np.ones(total, dtype=bool)
    is_special[target] = False
    word_starts = np.zeros(total, dtype=bool)
    a_words = tokenizer.word_starts(a_ids, a_lengths)
    word_starts[target] = np.r_[a_words[a_from], tokenizer.word_starts(b_ids, b_lengths)[b_from]]
    return EncodedExamples(
        name,
        input_ids,
        is_special,
        word_starts,
        starts,
        first,
        lengths,
        labels,
        seed,
        truncated=int(np.count_nonzero((a_kept < a_lengths) | (b_kept < b_lengths))),
        unknown=int(np.count_nonzero(input_ids == tokenizer.unk_id)),
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
