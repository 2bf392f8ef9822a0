"""Answers cut from a text against gold ones: exact match and F1, as the official scripts count.

Rajpurkar et al. 2016, section 6.1 (SQuAD 1.1), Rajpurkar et al. 2018, section 5 (SQuAD 2.0), and
:mod:`gloze.metrics.chinese_span`. All figures lie from 0 to 1: the scripts print 100 times them.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError
from gloze.metrics.chinese_span import cmrc_score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Scoring = Literal["squad", "squad_v2", "cmrc"]
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = dict.fromkeys(map(ord, string.punctuation))
_CHINESE = re.compile("[\u4e00-\u9fff]")


@lru_cache(maxsize=1 << 16)
def normalize(text: str) -> str:
    """Return an answer in lower case without ASCII punctuation, English articles, odd spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def squad_score(gold: Sequence[str], said: str) -> tuple[float, float]:
    """Return exact match and F1 of an answer, each the best over the gold answers, 0 to 1."""
    own = normalize(said)
    exact = float(any(normalize(answer) == own for answer in gold))
    f1 = max((_f1(normalize(answer).split(), own.split()) for answer in gold), default=0.0)
    return exact, f1


def squad_v2_score(gold: Sequence[str], said: str) -> tuple[float, float]:
    """Return the same where gold and said answers may be empty: there is no answer."""
    left = [answer for answer in gold if normalize(answer)] or [""]
    if not normalize(said) or left == [""]:
        agree = float(normalize(said) == left[0])
        return agree, agree
    return squad_score(left, said)


def _f1(gold: list[str], said: list[str]) -> float:
    common = sum((Counter(gold) & Counter(said)).values())
    if not common:
        return 0.0
    precision, recall = common / len(said), common / len(gold)
    return 2 * precision * recall / (precision + recall)


_SCORES: dict[Scoring, Callable[[Sequence[str], str], tuple[float, float]]] = {
    "squad": squad_score,
    "squad_v2": squad_v2_score,
    "cmrc": cmrc_score,
}


def scoring_of(gold: Mapping[str, Sequence[str]]) -> Scoring:
    """Return by which script such answers are judged: 2.0's if some have none, CMRC's if Chinese.

    Chinese are answers of which most letters are.
    """
    if not all(gold.values()):
        return "squad_v2"
    letters = "".join(c for answers in gold.values() for c in answers[0] if c.isalpha())
    return "cmrc" if 2 * len(_CHINESE.findall(letters)) > len(letters) else "squad"


def span_figures(
    gold: Mapping[str, Sequence[str]],
    said: Mapping[str, str],
    *,
    scoring: Scoring,
    null_scores: Mapping[str, float] | None = None,
    null_threshold: float | None = None,
) -> dict[str, Any]:
    """Return how good answers are.

    Args:
        gold: texts of the gold answers to each question, by its id; none if it has no answer.
        said: text of the answer to each question, empty for no answer. A question that is not
            there counts as wrong; an id that is not in ``gold`` is left out and counted.
        scoring: by which script.
        null_scores: for each question how much speaks for there being no answer.
        null_threshold: take an answer back where its null score is over this.

    Returns:
        ``exact`` and ``f1``; ``examples``, ``missing`` and ``unasked``, how many; and where some
        questions have no answer the same figures of those that have one (``HasAns_``) and those
        that have none (``NoAns_``), under the names of the script. With ``null_scores`` also the
        best figures that any threshold could give (``best_exact``, ``best_f1``) and it.

    Raises:
        ConfigError: if there is nothing to judge, or null scores are missing.
    """
    if not gold:
        raise ConfigError("There are no questions to judge answers to.")
    scores = scores_of(gold, said, scoring)
    has_answer = np.array([bool(answers) for answers in gold.values()])
    kept = scores
    if null_scores is not None and null_threshold is not None:
        odds = np.array([_null_score(null_scores, i) for i in gold])
        kept = np.where((odds > null_threshold)[:, None], ~has_answer[:, None], scores)
    figures: dict[str, Any] = {
        **_means("", kept),
        "examples": len(gold),
        "missing": sum(i not in said for i in gold),
        "unasked": sum(i not in gold for i in said),
    }
    if scoring == "squad_v2" or not has_answer.all():
        for prefix, chosen in (("HasAns_", has_answer), ("NoAns_", ~has_answer)):
            if chosen.any():
                figures |= _means(prefix, kept[chosen])
                figures[f"{prefix}total"] = int(chosen.sum())
    if null_scores is not None:
        for column, name in enumerate(("exact", "f1")):
            best, threshold = best_threshold(null_scores, gold, said, scores[:, column])
            figures |= {f"best_{name}": best, f"best_{name}_thresh": threshold or 0.0}
    return figures


def scores_of(
    gold: Mapping[str, Sequence[str]], said: Mapping[str, str], scoring: Scoring
) -> npt.NDArray[np.float64]:
    """Return exact match and F1 of each question, [questions, 2]; see :func:`span_figures`."""
    return np.array(
        [
            _score(answers, said[i], scoring) if i in said else (0.0, 0.0)
            for i, answers in gold.items()
        ]
    )


def _score(gold: Sequence[str], said: str, scoring: Scoring) -> tuple[float, float]:
    if not gold and scoring != "squad_v2":
        agree = float(not said.strip())
        return agree, agree
    return _SCORES[scoring](gold, said)


def _means(prefix: str, scores: npt.NDArray[np.float64]) -> dict[str, float]:
    exact, f1 = scores.mean(axis=0).tolist()
    return {f"{prefix}exact": exact, f"{prefix}f1": f1}


def _null_score(null_scores: Mapping[str, float], question: str) -> float:
    if question not in null_scores:
        raise ConfigError(f"There is no null score for question {question!r}.")
    return null_scores[question]


def best_threshold(
    null_scores: Mapping[str, float],
    gold: Mapping[str, Sequence[str]],
    said: Mapping[str, str],
    scores: npt.NDArray[np.float64],
) -> tuple[float, float | None]:
    """Return the best mean score that taking back unsure answers gives, and the threshold.

    An answer is taken back where its null score is over the threshold. As in the script of
    SQuAD 2.0 the threshold is a null score, the smallest of equals; None if it is best to answer
    nothing, where the script says 0.

    Args:
        null_scores: for each question how much speaks for there being no answer.
        gold: as in :func:`span_figures`.
        said: as there.
        scores: of each question's answer, in the order of ``gold``, [questions].
    """
    own = dict(zip(gold, scores.tolist(), strict=True))
    current = best = float(sum(not answers for answers in gold.values()))
    threshold: float | None = None
    for question in sorted(null_scores, key=null_scores.__getitem__):
        if question not in gold:
            continue
        current += own[question] if gold[question] else -float(bool(said.get(question)))
        if current > best:
            best, threshold = current, null_scores[question]
    return best / len(gold), threshold


def between_scores(null_scores: Iterable[float], threshold: float | None) -> float:
    """Return a threshold that takes back the same answers and is no question's own null score.

    It lies midway to the next higher null score: that of a question varies a little with what
    is computed beside it, and a threshold on it would take its answer back now and then.

    Args:
        null_scores: of the questions.
        threshold: one of them, or None to take all answers back.
    """
    scores = sorted(null_scores)
    if threshold is None:
        return scores[0] - 1.0
    higher = next((score for score in scores if score > threshold), threshold + 2.0)
    middle = (threshold + higher) / 2
    return middle if middle < higher else threshold
