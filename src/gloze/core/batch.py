"""What travels from the data to the model: sequences laid end to end, without padding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Set

    import torch

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
IGNORE = -100


@dataclass(frozen=True)
class Samples:
    """Some sequences laid end to end as NumPy arrays: what samplers give and objectives ask of.

    Attributes:
        input_ids: token ids, [tokens].
        token_type_ids: 0 for the first segment with its [SEP], 1 for the second, [tokens].
        lengths: tokens of each sequence, [sequences].
        is_special: true at [CLS] and [SEP], [tokens].
        word_starts: true at the first token of a word, [tokens].
        keys: 64 random bits for each sequence, from (seed, epoch, index), [sequences].
        indices: the number of each sample in its epoch, [samples].
        sizes: sequences of each sample, which stay in one batch, [samples]; None if a sample is
            a sequence.
        states: what a frozen encoder makes of the tokens, as far as heads read it, [tokens,
            layers, hidden] float32; None where it has to be computed.
        labels: for each objective the answers asked for, one for each sample or position.
        label_positions: for objectives that ask about tokens, where: positions in [tokens],
            in ascending order.
        before, after: the token on either side of each sequence in its text, -1 where there is
            none, [sequences]; None if sequences stand alone.
        lanes: which place of the corpus, of those that are read side by side, each sequence goes
            on from, [sequences]; None if sequences come in any order.
        places: where each token stands, [tokens], where a sequence leaves some out; None if it
            leaves out none.
    """

    input_ids: Ints
    token_type_ids: Ints
    lengths: Ints
    is_special: Bools
    word_starts: Bools
    keys: npt.NDArray[np.uint64]
    indices: Ints
    sizes: Ints | None = None
    states: npt.NDArray[np.float32] | None = None
    labels: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    label_positions: dict[str, Ints] = field(default_factory=dict)
    before: Ints | None = None
    after: Ints | None = None
    lanes: Ints | None = None
    places: Ints | None = None

    @property
    def sample_lengths(self) -> Ints:
        """Tokens of each sample."""
        if self.sizes is None or not len(self.sizes):
            return self.lengths
        return np.add.reduceat(self.lengths, np.cumsum(self.sizes) - self.sizes)

    def with_labels(
        self, name: str, labels: npt.NDArray[np.generic], positions: Ints | None = None
    ) -> Samples:
        """Return a copy that also asks for ``labels``, at token ``positions`` if given."""
        where = self.label_positions
        if positions is not None:
            where = {**where, name: positions}
        return replace(self, labels={**self.labels, name: labels}, label_positions=where)

    def with_answers_to(self, names: Set[str]) -> Samples:
        """Return a copy that asks for nothing but what bears one of these names."""
        return replace(self, labels={k: v for k, v in self.labels.items() if k in names})

    def part(self, first: int, last: int) -> Samples:
        """Return the samples from number ``first`` up to, not including, ``last``."""
        one, other, sizes = first, last, None
        if self.sizes is not None:
            one, other = int(self.sizes[:first].sum()), int(self.sizes[:last].sum())
            sizes = self.sizes[first:last]
        begin, end = int(self.lengths[:one].sum()), int(self.lengths[:other].sum())
        labels, positions = {}, {}
        for name, values in self.labels.items():
            if name in self.label_positions:
                where = self.label_positions[name]
                low, high = np.searchsorted(where, (begin, end))
                labels[name], positions[name] = values[low:high], where[low:high] - begin
            else:
                labels[name] = values[first:last]
        return Samples(
            input_ids=self.input_ids[begin:end],
            token_type_ids=self.token_type_ids[begin:end],
            lengths=self.lengths[one:other],
            is_special=self.is_special[begin:end],
            word_starts=self.word_starts[begin:end],
            keys=self.keys[one:other],
            indices=self.indices[first:last],
            sizes=sizes,
            states=None if self.states is None else self.states[begin:end],
            labels=labels,
            label_positions=positions,
            before=None if self.before is None else self.before[one:other],
            after=None if self.after is None else self.after[one:other],
            lanes=None if self.lanes is None else self.lanes[one:other],
            places=None if self.places is None else self.places[begin:end],
        )


@dataclass(frozen=True)
class Batch:
    """Sequences laid end to end, as tensors: what encoders and heads compute on.

    Attributes:
        input_ids: [tokens] int64.
        position_ids: place of each token in its sequence, [tokens] int64.
        token_type_ids: [tokens] int64.
        cu_seqlens: where each sequence starts, and the end of the last, [sequences + 1] int32.
        max_seqlen: tokens of the longest sequence.
        rows: that dense layers compute, the tokens and zeros after them; if not set as few as
            suit their kernels.
        sizes: sequences of each sample, [samples] int64; None if a sample is a sequence.
        states: what a frozen encoder makes of the tokens, [tokens, layers, hidden]; None where
            it has to be computed.
        labels: for each objective the answers, [asked].
        label_positions: for objectives that ask about tokens, where, [asked] int64.
        indices: number of each sample in its epoch, for reports; stays on the CPU.
        lanes: the lane of text that each sequence goes on from, [sequences]; None if sequences
            come in any order. Stays on the CPU.
        places: what position embeddings are of, [tokens] int64; ``position_ids`` if None.
        characters: the bytes of each token as it was written, [tokens, bytes] uint8, for encoders
            that read words by their characters; None if those of the vocabulary will do.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    token_type_ids: torch.Tensor
    cu_seqlens: torch.Tensor
    max_seqlen: int
    rows: int | None = None
    sizes: torch.Tensor | None = None
    states: torch.Tensor | None = None
    labels: dict[str, torch.Tensor] = field(default_factory=dict)
    label_positions: dict[str, torch.Tensor] = field(default_factory=dict)
    indices: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    lanes: Ints | None = None
    places: torch.Tensor | None = None
    characters: torch.Tensor | None = None

    @property
    def num_tokens(self) -> int:
        """Number of tokens of all sequences."""
        return self.input_ids.shape[0]

    @property
    def num_sequences(self) -> int:
        """Number of sequences."""
        return self.cu_seqlens.shape[0] - 1

    @property
    def lengths(self) -> torch.Tensor:
        """Tokens of each sequence, [sequences] int64."""
        return (self.cu_seqlens[1:] - self.cu_seqlens[:-1]).long()

    def to(self, device: torch.device) -> Batch:
        """Return the batch with its tensors on ``device``."""
        if device.type == "cpu":
            return self

        def moved(x: torch.Tensor) -> torch.Tensor:
            # From pinned memory alone the copy runs beside the host.
            return (x.pin_memory() if device.type == "cuda" else x).to(device, non_blocking=True)

        return replace(
            self,
            input_ids=moved(self.input_ids),
            position_ids=moved(self.position_ids),
            token_type_ids=moved(self.token_type_ids),
            cu_seqlens=moved(self.cu_seqlens),
            sizes=None if self.sizes is None else moved(self.sizes),
            states=None if self.states is None else moved(self.states),
            places=None if self.places is None else moved(self.places),
            characters=None if self.characters is None else moved(self.characters),
            labels={name: moved(x) for name, x in self.labels.items()},
            label_positions={name: moved(x) for name, x in self.label_positions.items()},
        )


@dataclass(frozen=True)
class Step:
    """The data of one update, or one process's share of it.

    Attributes:
        epoch, number: which step of which epoch this is.
        micro_batches: computed one after the other; together they are one update.
        num_labels: labels of each objective in these; the loop divides by those of all shares.
        num_tokens: tokens of the whole step, in all shares.
        idle: computed and counted as nothing, where other shares have more micro-batches: what
            processes do together each has to do as often.
    """

    epoch: int
    number: int
    micro_batches: list[Batch]
    num_labels: dict[str, int]
    num_tokens: int
    idle: list[Batch] = field(default_factory=list)

    def batches(self) -> list[tuple[Batch, bool]]:
        """Return what is to be computed, in order, and whether it counts."""
        return [*((b, True) for b in self.micro_batches), *((b, False) for b in self.idle)]

    @property
    def indices(self) -> Ints:
        """Numbers of the samples in their epoch."""
        return np.concatenate([np.zeros(0, np.int64), *(b.indices for b in self.micro_batches)])
