"""Sequences that grow to the right, and what a language model says comes next in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gloze.core.errors import ConfigError
from gloze.data.collate import end_to_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from gloze.core.batch import Batch, Ints
    from gloze.inference.model import Model


def language_head(model: Model) -> Any:
    """Return the head that scores the next token.

    Raises:
        ConfigError: if the model has none, or sees what it would predict.
    """
    head = model.heads.get("lm")
    if head is None or model.encoder.config.direction != "left_to_right":
        raise ConfigError("This model is no language model: it does not predict the next token.")
    return head


class Growing:
    """Some sequences of a language model, read as far as they go.

    What a Transformer has read it does not read again: its keys and values are kept. Other
    encoders read each sequence anew.

    Args:
        model: that reads.
        sequences: token ids that each begins with, at least one.
    """

    def __init__(self, model: Model, sequences: Sequence[Ints]) -> None:
        self._model, self._head = model, language_head(model)
        make: Any = getattr(model.encoder, "new_cache", None)
        self._cache = make and make()
        self._sequences = [np.asarray(ids, dtype=np.int64) for ids in sequences]
        self._last = self._read(self._sequences)

    @torch.inference_mode()
    def next(self) -> Tensor:
        """Return the logarithm of each token's probability to come next, [sequences, vocab]."""
        scores: Tensor = self._head.scores(self._last)
        # A table may have rows that stand for no token, to make its size a round one.
        return scores[:, : self._model.tokenizer.vocab_size].float().log_softmax(-1)

    def grow(self, tokens: Sequence[int]) -> None:
        """Add a token to each sequence."""
        new = [np.array([token], dtype=np.int64) for token in tokens]
        self._sequences = [np.r_[ids, n] for ids, n in zip(self._sequences, new, strict=True)]
        self._last = self._read(self._sequences if self._cache is None else new)

    def select(self, numbers: Sequence[int]) -> None:
        """Go on with these sequences, in this order, each as often as it is named."""
        if list(numbers) == list(range(len(self._sequences))):
            return
        self._sequences = [self._sequences[number] for number in numbers]
        chosen = torch.tensor(numbers, dtype=torch.long, device=self._model.device)
        self._last = self._last[chosen]
        if self._cache is not None:
            self._cache.select(chosen)

    @torch.inference_mode()
    def _read(self, new: list[Ints]) -> Tensor:
        """Return the last state of each sequence after these tokens of it, [sequences, size]."""
        states = self._model.hidden_states(batch_of(new), self._cache)[-1]
        ends = np.cumsum([len(ids) for ids in new]) - 1
        return states[torch.from_numpy(ends).to(states.device)]


def batch_of(sequences: list[Ints]) -> Batch:
    """Return sequences of one segment as a batch, in their order."""
    ids = np.concatenate(sequences)
    return end_to_end(ids, np.zeros_like(ids), np.array([len(each) for each in sequences]))
