"""Words around a word, and how often frequent ones are passed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError
from gloze.core.settings import Settings
from gloze.data.array_file import release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gloze.data.shards import Shards

Counts = npt.NDArray[np.int64]
_LONGEST = 1000


@dataclass(frozen=True, kw_only=True)
class WindowConfig(Settings):
    """The words around each word.

    Attributes:
        kind: of the sampler.
        size: most words to each side.
        dynamic: each position draws how far its window reaches, from 1 to ``size``, so that near
            words count more (Mikolov et al. 2013a, 3.2).
        subsample: a word that makes up a share f of the text is kept with the chance
            sqrt(t / f) + t / f, where t is this; 0 keeps all (Mikolov et al. 2013b, 2.3, as their
            program has it).
        within: what a window does not reach over: ``sentence`` or ``document``.
    """

    kind: Literal["window"] = "window"
    size: int = 5
    dynamic: bool = True
    subsample: float = 1e-3
    within: Literal["sentence", "document"] = "sentence"

    def __post_init__(self) -> None:
        if not 1 <= self.size <= _LONGEST:
            raise ConfigError(f"sampler.size is {self.size}; it must be from 1 to {_LONGEST}.")
        if self.subsample < 0:
            raise ConfigError(f"sampler.subsample is {self.subsample}; it must not be negative.")


def keep_chances(counts: Counts, subsample: float) -> npt.NDArray[np.float32]:
    """Return the chance of each word to be kept, [vocab]; of one that is never met it is 1."""
    chances = np.ones(len(counts), np.float64)
    met = counts > 0
    if subsample > 0:
        ratio = subsample * counts.sum() / counts[met]
        chances[met] = np.minimum(np.sqrt(ratio) + ratio, 1.0)
    return chances.astype(np.float32)


@dataclass(frozen=True)
class Block:
    """A part of a corpus.

    Attributes:
        tokens: ids, int32 [tokens].
        ends: where each sentence or document ends in them, [sentences].
    """

    tokens: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int64]


class Blocks:
    """A corpus in blocks of whole sentences or documents, of some thousand tokens each."""

    def __init__(
        self, shards: Shards, within: Literal["sentence", "document"], tokens: int
    ) -> None:
        """Cut where a block has ``tokens`` or more."""
        self._shards = shards
        ends: npt.NDArray[Any] = shards.sentences
        if within == "document":
            ends = ends[shards.documents]
        self._ends = ends
        targets = np.arange(tokens, shards.num_tokens + tokens, tokens)
        cuts = np.searchsorted(ends, targets).clip(max=len(ends) - 1)
        self._cuts = np.unique(np.append(0, cuts))

    def __len__(self) -> int:
        return len(self._cuts) - 1

    def __iter__(self) -> Iterator[Block]:
        return map(self.__getitem__, range(len(self)))

    def tokens_before(self, block: int) -> int:
        """Return how many tokens the blocks before one have; of all for the one after the last."""
        return int(self._ends[self._cuts[block]])

    def __getitem__(self, block: int) -> Block:
        if not 0 <= block < len(self):
            raise IndexError(block)
        first, last = self._cuts[block], self._cuts[block + 1]
        begin, end = int(self._ends[first]), int(self._ends[last])
        found = Block(
            np.asarray(self._shards.tokens[begin:end]).astype(np.int32),
            np.asarray(self._ends[first + 1 : last + 1]).astype(np.int64) - begin,
        )
        release(self._shards.tokens)
        release(self._ends)
        return found
