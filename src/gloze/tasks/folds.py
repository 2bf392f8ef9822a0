"""Labelled examples dealt out for cross-validation."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from gloze.core.errors import ConfigError
from gloze.core.progress import say
from gloze.core.rng import derive, mix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.core.batch import Ints


def deal(labels: Sequence[str | None], folds: int, seed: int) -> Ints:
    """Return the fold of each example, from 0.

    Folds are of one size but for one example, and of each label have as many but for one
    (stratified, Kohavi 1995). Examples are dealt out one by one: those that share a text may
    come into different folds.

    Args:
        labels: of each example; None where it has no single one.
        folds: how many.
        seed: of the order.

    Raises:
        ConfigError: if there are fewer examples than folds.
    """
    count = len(labels)
    if folds > count:
        raise ConfigError(f"--folds {folds}: there are {count} examples to deal out.")
    counts = Counter(label for label in labels if label is not None)
    rare = [label for label, number in counts.items() if number < folds]
    if rare and len(counts) < count / 2:
        say(
            f"{len(rare)} of {len(counts)} labels have fewer examples than there are folds, "
            f"{rare[0]!r} among them: not every fold is judged on all labels."
        )
    keys = mix(np.arange(count, dtype=np.uint64), derive("folds", seed))
    order = sorted(range(count), key=lambda i: (labels[i] or "", int(keys[i])))
    fold = np.empty(count, dtype=np.int64)
    fold[order] = np.arange(count) % folds
    return fold
