"""The head of tagging: linear scores for each word, and a chain over them if wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gloze.core.batch import IGNORE
from gloze.core.contracts import Mark
from gloze.nn.crf import best_tags

if TYPE_CHECKING:
    from gloze.core.batch import Batch
    from gloze.nn.crf import LinearChain
    from gloze.nn.readout import Readout

NAME = "tagging"


class Tagger(nn.Module):
    """Dropout and a linear layer at the first token of each word.

    The loss is the cross-entropy of each word, or with a chain -log probability of the tags of
    all words of a sequence. Words whose tag training does not know have no share in it, and with
    a chain the sequences that hold one.

    Args:
        readout: what is read off the hidden states.
        num_labels: how many tags there are.
        dropout: before the scores.
        crf: the chain; None for words by themselves.
    """

    rows_per = "position"

    def __init__(
        self, readout: Readout, num_labels: int, dropout: float, crf: LinearChain | None
    ) -> None:
        super().__init__()
        self.readout = readout
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(readout.output_size, num_labels)
        self.crf = crf

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the summed loss and the number of words whose best tag is the right one."""
        labels = batch.labels[NAME]
        scores = self.scores(hidden_states, batch).float()
        edges = torch.searchsorted(batch.label_positions[NAME], batch.cu_seqlens)
        lengths = edges.diff()
        lengths = lengths[lengths > 0]
        loss = summed_loss(scores, labels, lengths, self.crf)
        return Mark(loss, (self._best(scores.detach(), lengths) == labels).sum())

    def _best(self, scores: Tensor, lengths: Tensor) -> Tensor:
        if self.crf is None:
            return scores.argmax(-1)
        with torch.no_grad():
            steps = self.crf.steps()
            return best_tags(scores, lengths, self.crf.start, steps, self.crf.end)

    def scores(self, hidden_states: list[Tensor], batch: Batch) -> Float[Tensor, "asked labels"]:
        """Return the scores of each tag for each word, without the chain."""
        features = self.readout(hidden_states, batch)[batch.label_positions[NAME]]
        scores: Tensor = self.output(self.dropout(features))
        return scores


def summed_loss(scores: Tensor, labels: Tensor, lengths: Tensor, crf: LinearChain | None) -> Tensor:
    """Return the loss over all words whose labels are known.

    Args:
        scores: of each tag for each word, sequences end to end, [words, labels].
        labels: the right ones, ``IGNORE`` where training does not know it, [words].
        lengths: words of each sequence, [sequences].
        crf: the chain, if there is one.
    """
    if crf is None:
        return F.cross_entropy(scores, labels, reduction="sum", ignore_index=IGNORE)
    sequence = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    is_known = torch.ones_like(lengths, dtype=torch.bool)
    is_known[sequence[labels == IGNORE]] = False
    is_kept = is_known[sequence]
    return crf.loss(scores[is_kept], labels[is_kept], lengths[is_known])
