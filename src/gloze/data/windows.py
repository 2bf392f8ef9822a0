"""Long texts through overlapping windows: where each begins, and which one a token is read from.

The scheme of Google's ``run_squad.py``: a window begins every ``stride`` tokens until one reaches
the end, and a token that is in several is taken from where it has the most context.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gloze.core.batch import Bools, Ints
from gloze.core.errors import ConfigError
from gloze.core.ranges import places, ranges


class Windows(NamedTuple):
    """Windows over many texts, in the order of the texts and of their places in them.

    Attributes:
        owner: number of the text each window is of, [windows].
        starts: place of its first token in that text, [windows].
        lengths: its tokens, [windows].
    """

    owner: Ints
    starts: Ints
    lengths: Ints


def windows(lengths: Ints, room: int | Ints, stride: int) -> Windows:
    """Return windows that together cover every token of every text.

    A text that has room enough is one window, an empty one too.

    Args:
        lengths: tokens of each text, [texts].
        room: most tokens of a window; one number for all texts, or one for each.
        stride: tokens from the start of one window to that of the next.

    Raises:
        ConfigError: if there is no room, or a stride would leave tokens out.
    """
    rooms = np.broadcast_to(np.asarray(room, dtype=np.int64), lengths.shape)
    if (rooms < 1).any():
        raise ConfigError(f"A window with room for {rooms.min()} tokens of the text holds none.")
    # Where a text fits into one window the stride does not matter.
    left_out = rooms[(lengths > rooms) & (stride > rooms)]
    if stride < 1 or len(left_out):
        most = int(left_out.min()) if len(left_out) else int(rooms.min(initial=1 << 20))
        raise ConfigError(
            f"A stride of {stride} tokens leaves some out or never ends: it must be from 1 to "
            f"{most}, the room of a window."
        )
    counts = 1 + np.maximum(0, -((rooms - lengths) // stride))
    owner = np.repeat(np.arange(len(lengths)), counts)
    starts = places(counts) * stride
    return Windows(owner, starts, np.minimum(rooms[owner], lengths[owner] - starts))


def token_numbers(lengths: Ints, cut: Windows) -> Ints:
    """Return which token each window token is, [window tokens].

    Tokens are numbered through all texts laid end to end; those of a window that lie end to end
    after those of the window before it have these numbers.
    """
    firsts = np.cumsum(lengths) - lengths
    return ranges(firsts[cut.owner] + cut.starts, cut.lengths)


def has_most_context(lengths: Ints, cut: Windows) -> Bools:
    """Return, for each window token, whether no other window is better for it, [window tokens].

    Better is where the shorter of its two sides is longer, plus a hundredth of the window's
    length; of equals the earlier window. So each token is true in exactly one window.
    """
    place = places(cut.lengths)
    length = np.repeat(cut.lengths, cut.lengths)
    # In hundredths: whole numbers, so that equals are equal.
    score = 100 * np.minimum(place, length - 1 - place) + length
    token = token_numbers(lengths, cut)
    # Stable: of equal scores the earlier window comes first.
    order = np.lexsort((-score, token))
    is_first = np.diff(token[order], prepend=-1) > 0
    best = np.zeros(len(token), dtype=bool)
    best[order[is_first]] = True
    return best
