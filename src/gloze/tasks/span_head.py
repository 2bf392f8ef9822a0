"""The head that marks where an answer begins and ends, and its loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from gloze.core.batch import Batch
from gloze.core.contracts import Mark
from gloze.nn.parts import cross_entropy_of_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.nn.readout import Readout
    from gloze.tasks.learned import Rows
    from gloze.tasks.span_windows import EncodedQuestions

NAME: Final = "span"


class SpanHead(nn.Module):
    """Two scores for each token: that the answer begins there, and that it ends there."""

    rows_per = "token"

    def __init__(self, readout: Readout, dropout: float) -> None:
        super().__init__()
        self.readout = readout
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(readout.output_size, 2)

    def scores(self, hidden_states: list[Tensor], batch: Batch) -> Float[Tensor, "tokens two"]:
        """Return the scores of each token."""
        result: Tensor = self.output(self.dropout(self.readout(hidden_states, batch)))
        return result

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the summed loss, and how many windows have both ends right.

        The loss of a window is the mean of two cross-entropies over its tokens, of the start and
        of the end; both are at [CLS] where the window holds no answer.
        """
        labels = batch.labels[NAME]
        scores = self.scores(hidden_states, batch).float()
        lengths = batch.lengths
        loss = scores.new_zeros(())
        is_right = torch.ones_like(lengths, dtype=torch.bool)
        for column in range(2):
            own, gold = scores[:, column], labels[:, column]
            loss = loss + cross_entropy_of_parts(own, lengths, gold)[0] / 2
            best = torch.segment_reduce(own.detach(), "max", lengths=lengths, axis=0)
            is_right &= own.detach()[batch.cu_seqlens[:-1].long() + gold] >= best
        return Mark(loss, is_right.sum())


def span_loss(
    encoded: EncodedQuestions, rows: Rows, places: Sequence[tuple[int, int] | None]
) -> float:
    """Return the mean loss of the windows of questions whose answer's place is known.

    Args:
        encoded: the questions.
        rows: score of each token as a start and as an end, [tokens, 2].
        places: of the answers, as :func:`gloze.tasks.span_windows.encode_questions` takes them.
    """
    scores, firsts = rows.astype(np.float64), encoded.starts
    known = np.array([place is not None for place in places], dtype=bool)[encoded.cut.owner]
    if not known.any():
        return 0.0
    largest = np.maximum.reduceat(scores, firsts)
    shifted = np.exp(scores - np.repeat(largest, encoded.all_lengths, axis=0))
    total = np.log(np.add.reduceat(shifted, firsts)) + largest
    right = np.take_along_axis(scores, firsts[:, None] + encoded.labels_of(places), axis=0)
    return float((total - right)[known].mean())
