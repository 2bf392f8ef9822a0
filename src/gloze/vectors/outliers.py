"""Outliers: which word does not belong? (Camacho-Collados and Navigli 2016)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gloze.core.errors import DataError
from gloze.vectors.lines import fold, lines_of

if TYPE_CHECKING:
    from pathlib import Path

    from gloze.vectors.table import WordVectors


@dataclass(frozen=True)
class OutlierFigures:
    """Figures of groups of words, each with outliers that are put into it one at a time.

    Attributes:
        outliers: how many there are.
        known: how many have a vector, in a group of which two words or more have one.
        accuracy: share of the known ones that are found to be the one that does not belong.
        position: mean place of the outlier among all by how little they belong, 0 to 1 (OPP).
    """

    outliers: int
    known: int
    accuracy: float | None
    position: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON can hold them."""
        return asdict(self)


def read_outliers(path: Path) -> tuple[list[str], list[str]]:
    """Read a group of words, a word in each line, a blank line, and the outliers.

    Raises:
        DataError: if it has not two parts.
    """
    parts: list[list[str]] = []
    last = -1
    for number, line in lines_of(path):
        # A blank line begins another part.
        if number > last + 1:
            parts.append([])
        parts[-1].append(line)
        last = number
    if len(parts) != 2:
        raise DataError(
            f"a group of words, a blank line and outliers expected, found {len(parts)} parts.",
            path=path,
        )
    return parts[0], parts[1]


def judge_outliers(vectors: WordVectors, group: list[str], outliers: list[str]) -> OutlierFigures:
    """Return how well the outliers of a group are told from its words."""
    rows, others = fold(vectors, group), fold(vectors, outliers)
    rows, known = rows[rows >= 0], others[others >= 0]
    if len(rows) < 2 or not len(known):
        return OutlierFigures(len(outliers), 0, None, None)
    places = []
    for outlier in known.tolist():
        units = vectors.unit(np.append(rows, outlier))
        # What is nearest to the others on the whole leaves the loosest group behind.
        closeness = (units @ units.T).sum(axis=1) - 1
        places.append(np.count_nonzero(closeness[:-1] > closeness[-1]) / len(rows))
    found = np.array(places)
    return OutlierFigures(
        len(outliers), len(known), float((found == 1).mean()), float(found.mean())
    )
