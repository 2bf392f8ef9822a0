"""Beam search: several beginnings of a text at once, for the likeliest whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from gloze.inference.growing import Growing

# Token ids, and the logarithm of their probability together.
Written = tuple[list[int], float]


@dataclass
class _Beams:
    """The texts of one beginning.

    Attributes:
        running: that may still grow, best first.
        finished: score and text of those that do not, best first.
        room: most tokens of a text.
    """

    room: int
    running: list[Written] = field(default_factory=lambda: [([], 0.0)])
    finished: list[tuple[float, Written]] = field(default_factory=list)


def search(
    growing: Growing, rooms: Sequence[int], *, end: int, beams: int, length_penalty: float
) -> list[list[Written]]:
    """Return the best texts of each beginning, best first: at most as many as beams.

    Each step takes the ``beams`` best texts that do not end, and those that end among the best as
    finished. It is over when a running text, were it finished now, would be no better than the
    worst of as many finished ones as there are beams; or when there is no room.

    Args:
        growing: the beginnings, one sequence each.
        rooms: most tokens to be written after each.
        end: the token that ends a text.
        beams: texts of each beginning that run at once.
        length_penalty: a text's score is its log-probability over its tokens to this power.
    """
    groups = [_Beams(room) for room in rooms]
    open_groups = list(groups)
    while open_groups:
        totals = growing.next().double()
        kept, tokens, still_open, row = [], [], [], 0
        for group in open_groups:
            rows = totals[row : row + len(group.running)]
            origins = _advance(group, rows, end, beams, length_penalty)
            if _may_improve(group, beams, length_penalty):
                kept += [row + origin for origin in origins]
                tokens += [text[-1] for text, _ in group.running]
                still_open.append(group)
            row += len(rows)
        open_groups = still_open
        if open_groups:
            growing.select(kept)
            growing.grow(tokens)
    return [[text for _, text in group.finished] for group in groups]


def _advance(
    group: _Beams, shares: Tensor, end: int, beams: int, length_penalty: float
) -> list[int]:
    """Add a token to each running text; return which text each of the new ones comes from.

    Args:
        group: changed in place.
        shares: logarithms of the probability of each next token, [running, vocab].
        end: the token that ends a text.
        beams: texts that are to run.
        length_penalty: of scores.
    """
    sums = torch.tensor([total for _, total in group.running], dtype=shares.dtype)
    reached = (shares + sums.to(shares.device)[:, None]).flatten()
    # Of twice as many at most half end, so enough are left to go on.
    best = reached.topk(min(2 * beams, len(reached)))
    running: list[Written] = []
    origins: list[int] = []
    for rank, (total, place) in enumerate(
        zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ):
        origin, token = divmod(place, shares.shape[1])
        text = [*group.running[origin][0], token]
        if token == end or len(text) == group.room:
            if rank < beams:
                group.finished.append((total / len(text) ** length_penalty, (text, total)))
        elif len(running) < beams:
            running.append((text, total))
            origins.append(origin)
    group.finished = sorted(group.finished, key=lambda each: -each[0])[:beams]
    group.running = running
    return origins


def _may_improve(group: _Beams, beams: int, length_penalty: float) -> bool:
    """Return whether going on may lead to a better text, as far as that can be told now."""
    if not group.running:
        return False
    if len(group.finished) < beams:
        return True
    text, total = group.running[0]
    return total / len(text) ** length_penalty > group.finished[-1][0]
