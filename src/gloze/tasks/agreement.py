"""How well another form of a model agrees with it: their answers to the same examples."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gloze.tasks.model import score_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from gloze.core.batch import Batch
    from gloze.tasks.learned import Judged
    from gloze.tasks.model import TaskModel

_NEAR = 0.1


def answers_agree(
    model: TaskModel, judged: Judged[Any], run: Callable[[Batch], Tensor]
) -> tuple[float, float]:
    """Return how many answers are the same, and how far numbers in them differ at most.

    Args:
        model: whose answers count.
        judged: the examples with its scores.
        run: a batch to the other form's scores, a row for each sequence, or for each token.

    Returns:
        The share of examples whose answers have the same labels and texts (or, if answers are
        but numbers, numbers within a tenth of their deviation), and the largest difference of a
        probability or another number in any answer; if answers are but numbers, as a share of the
        largest of them where that is over 1.
    """
    head: Any = model.head
    rows = score_rows(lambda batch: _rows(head, run(batch), batch), judged.encoded, head.rows_per)
    task = model.task
    answers = zip(
        judged.examples,
        task.answers(judged),
        task.answers(replace(judged, rows=rows)),
        strict=True,
    )
    pairs = [list(_leaves(task.row(e, one), task.row(e, other))) for e, one, other in answers]
    numbers = [[(a, b) for a, b in each if isinstance(a, float)] for each in pairs]
    others = [[(a, b) for a, b in each if not isinstance(a, float)] for each in pairs]
    far = max((abs(a - b) for each in numbers for a, b in each), default=0.0)
    if any(others):
        same = [all(a == b for a, b in each) for each in others]
    else:
        expected = np.array([a for each in numbers for a, _ in each])
        near = _NEAR * float(np.std(expected))
        far /= max(1.0, float(np.abs(expected).max(initial=0.0)))
        same = [all(abs(a - b) <= near for a, b in each) for each in numbers]
    return sum(same) / len(same), far


def _rows(head: Any, scores: Tensor, batch: Batch) -> Tensor:
    """Return the rows of a head from scores of sequences or of tokens."""
    if head.rows_per == "sample" and batch.sizes is not None:
        return torch.segment_reduce(scores, head.window_pooling, lengths=batch.sizes, axis=0)
    if head.rows_per == "position":
        [positions] = batch.label_positions.values()
        return scores[positions]
    return scores


def _leaves(one: Any, other: Any) -> Any:
    """Yield what two answers hold, side by side; what only one has stands beside None."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            yield from _leaves(one.get(key), other.get(key))
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        if len(one) != len(other):
            yield one, None
        else:
            for a, b in zip(one, other, strict=True):
                yield from _leaves(a, b)
    else:
        yield one, other
