"""Figures of rankings: where the relevant candidates of each query ended up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

Numbers = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
Judged = Literal["raw", "clean"]


def ranking_figures(
    relevance: Sequence[Numbers],
    scores: Sequence[Numbers],
    *,
    cutoffs: Sequence[int] = (10,),
    judged: Judged = "raw",
) -> dict[str, Any]:
    """Return the means over queries of MAP, MRR and NDCG, and how many queries were judged.

    A candidate is relevant if its relevance is over 0. Candidates of equal scores are ranked as
    badly as possible, the least relevant first: a model that says the same of all gains nothing
    from the order of a file.

    Args:
        relevance: of each query's candidates, at least 0.
        scores: of the same, higher is better.
        cutoffs: of ``mrr@k`` and ``ndcg@k``.
        judged: ``raw`` takes every query, as trec_eval does: without a relevant candidate its
            figures are 0, without an irrelevant one they are 1 (NDCG by its grades). ``clean``
            leaves both kinds out, as the cleaned test set of TrecQA does.

    Returns:
        ``map``, ``mrr``, ``ndcg`` and those at each cutoff, 0 to 1; ``queries``, of which
        ``without_relevant`` and ``without_irrelevant``; ``judged`` of them in ``convention``.

    Raises:
        ConfigError: if there is nothing to judge.
    """
    ranked = [worst_order(r, s) for r, s in zip(relevance, scores, strict=True)]
    has_relevant = np.array([bool((r > 0).any()) for r in ranked], dtype=bool)
    has_irrelevant = np.array([bool((r <= 0).any()) for r in ranked], dtype=bool)
    kept = has_relevant & has_irrelevant if judged == "clean" else np.ones(len(ranked), dtype=bool)
    if not kept.any():
        raise ConfigError(
            f"{len(ranked)} queries, none of them with both a relevant and an irrelevant "
            "candidate: there is nothing to rank."
        )
    rows = [_of_query(r, cutoffs) for r, keep in zip(ranked, kept, strict=True) if keep]
    return {
        **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]},
        "queries": len(ranked),
        "without_relevant": int((~has_relevant).sum()),
        "without_irrelevant": int((~has_irrelevant).sum()),
        "judged": len(rows),
        "convention": judged,
    }


def worst_order(relevance: Numbers, scores: Numbers) -> Floats:
    """Return the relevance by descending score; of equal scores the least relevant first."""
    return np.asarray(relevance[np.lexsort((relevance, -scores))], dtype=np.float64)


def average_precision(ranked: Floats) -> float:
    """Return the mean of the precision at each relevant rank; 0 if none is relevant."""
    hits = ranked > 0
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean()) if hits.any() else 0.0


def reciprocal_rank(ranked: Floats, cutoff: int | None = None) -> float:
    """Return 1 / the rank of the first relevant one; 0 if none is, or none of the first few."""
    hits = np.flatnonzero(ranked[:cutoff] > 0)
    return 1 / (int(hits[0]) + 1) if len(hits) else 0.0


def ndcg(ranked: Floats, cutoff: int | None = None) -> float:
    """Return the discounted gain over that of the best order; 0 if none is relevant.

    The gain is the relevance itself and the discount log2(rank + 1) (Järvelin and Kekäläinen
    2002, in the form of trec_eval).
    """
    best = _gain(np.sort(ranked)[::-1][:cutoff])
    return _gain(ranked[:cutoff]) / best if best else 0.0


def _gain(ranked: Floats) -> float:
    return float(ranked @ (1 / np.log2(np.arange(2, len(ranked) + 2))))


def _of_query(ranked: Floats, cutoffs: Sequence[int]) -> dict[str, float]:
    figures = {
        "map": average_precision(ranked),
        "mrr": reciprocal_rank(ranked),
        "ndcg": ndcg(ranked),
    }
    for cutoff in cutoffs:
        figures[f"mrr@{cutoff}"] = reciprocal_rank(ranked, cutoff)
        figures[f"ndcg@{cutoff}"] = ndcg(ranked, cutoff)
    return figures
