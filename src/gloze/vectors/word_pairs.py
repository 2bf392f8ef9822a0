"""Word similarity: how cosines go with what people say."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gloze.core.errors import DataError
from gloze.metrics.correlation import pearson, spearman
from gloze.vectors.lines import fold, lines_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gloze.vectors.table import WordVectors


@dataclass(frozen=True)
class PairFigures:
    """Figures of one set of pairs.

    Attributes:
        pairs: how many it has.
        known: how many of them have vectors for both words; the figures are theirs.
        spearman, pearson: of the cosines with the scores; None of fewer than two pairs.
    """

    pairs: int
    known: int
    spearman: float | None
    pearson: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON can hold them."""
        return asdict(self)


def read_pairs(path: Path) -> list[tuple[str, str, float]]:
    """Read pairs of words with a score, parted by a tab, a space, a comma or a semicolon.

    A first line whose score is no number is a header; lines that begin with # are passed over.

    Raises:
        DataError: if a line has not two words and a score, or there is none.
    """
    found: list[tuple[str, str, float]] = []
    is_first = True
    for number, line in lines_of(path):
        if line.startswith("#"):
            continue
        parts = parted(line)
        score = _score(parts[2]) if len(parts) > 2 else None
        if score is not None:
            found.append((parts[0], parts[1], score))
        elif not is_first or len(parts) < 3:
            raise DataError(
                f"two words and a score expected, found {line[:60]!r}.", path=path, line=number
            )
        is_first = False
    if not found:
        raise DataError("no pairs of words with a score.", path=path)
    return found


def parted(line: str) -> list[str]:
    """Return the parts of a line between tabs, commas or semicolons, or else between spaces."""
    parts = re.split(r"[\t,;]" if re.search(r"[\t,;]", line) else r"\s+", line)
    return [part.strip() for part in parts]


def _score(text: str) -> float | None:
    """Return a finite number, None if it is none."""
    try:
        return float(text) if math.isfinite(float(text)) else None
    except ValueError:
        return None


def judge_pairs(vectors: WordVectors, pairs: Sequence[tuple[str, str, float]]) -> PairFigures:
    """Return how the cosines of pairs go with their scores.

    A word is looked up as it is written, else without regard to capitals.
    """
    rows = fold(vectors, [word for pair in pairs for word in pair[:2]]).reshape(-1, 2)
    known = (rows >= 0).all(axis=1)
    scores = np.array([pair[2] for pair in pairs])[known]
    if len(scores) < 2:
        return PairFigures(len(pairs), len(scores), None, None)
    first, second = vectors.unit(rows[known, 0]), vectors.unit(rows[known, 1])
    cosines = np.einsum("ij,ij->i", first.astype(np.float64), second.astype(np.float64))
    return PairFigures(len(pairs), len(scores), spearman(scores, cosines), pearson(scores, cosines))
