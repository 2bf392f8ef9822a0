"""Figures of tagging sentence by sentence: the counts that they are made of."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from gloze.metrics.chunks import ChunkCounts, chunks, strict_chunks
from gloze.tasks.learned import Counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_STRICT = "_strict"


def sentence_counts(
    gold: Sequence[Sequence[str]],
    said: Sequence[Sequence[str]],
    metric: str,
    scheme: Literal["iob1", "iob2", "bioes", "none"],
) -> Counted:
    """Return what a figure is made of in each sentence.

    Args:
        gold: the right tags of each sentence.
        said: the tags answered.
        metric: ``accuracy``, or ``f1``, ``precision`` or ``recall``, with ``_strict`` or not.
        scheme: in which both are written.
    """
    pairs = list(zip(gold, said, strict=True))
    if metric == "accuracy":
        words = [(sum(map(str.__eq__, *tags)), len(tags[0])) for tags in pairs]
        return Counted(np.array(words), _share)
    assert scheme != "none"
    read = partial(strict_chunks, scheme=scheme) if metric.endswith(_STRICT) else chunks
    found = [(set(read(right)), set(read(own))) for right, own in pairs]
    counts = [(len(right), len(own), len(right & own)) for right, own in found]
    return Counted(np.array(counts), partial(_of_chunks, metric.removesuffix(_STRICT)))


def _share(sums: npt.NDArray[np.int64]) -> float:
    return float(sums[0] / max(sums[1], 1))


def _of_chunks(metric: str, sums: npt.NDArray[np.int64]) -> float:
    there, named, right = sums.tolist()
    return float(getattr(ChunkCounts(there, named, right), metric))
