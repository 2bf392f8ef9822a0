"""Figures of rankings against values worked by hand and against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gloze.core.errors import ConfigError
from gloze.metrics.ranking import average_precision, ndcg, ranking_figures, reciprocal_rank

# Relevant at ranks 2 and 4 of 5; as trec_eval does: (1/2 + 2/4) / 2, 1/2.
RELEVANCE = np.array([1.0, 0.0, 0.0, 1.0, 0.0])
SCORES = np.array([0.7, 0.9, 0.5, 0.3, 0.1])


def test_one_query_by_hand():
    figures = ranking_figures([RELEVANCE], [SCORES], cutoffs=(1, 3))
    assert figures["map"] == pytest.approx(0.5)
    assert figures["mrr"] == 0.5
    best = 1 + 1 / math.log2(3)
    assert figures["ndcg"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / best)
    assert figures["ndcg@3"] == pytest.approx((1 / math.log2(3)) / best)
    assert (figures["ndcg@1"], figures["mrr@1"], figures["mrr@3"]) == (0, 0, 0.5)


def test_grades_are_the_gain_as_they_are():
    ranked = np.array([1.0, 3.0, 0.0])
    wanted = (1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3))
    assert ndcg(ranked) == pytest.approx(wanted)
    # The best gain at a cutoff is that of the best order, not of what stands there.
    assert ndcg(ranked, 1) == pytest.approx(1 / 3)


def test_equal_scores_are_ranked_as_badly_as_possible_whatever_their_order():
    for relevance in ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]):
        figures = ranking_figures([np.array(relevance)], [np.zeros(3)])
        assert figures["map"] == pytest.approx(1 / 3)
        assert figures["mrr"] == pytest.approx(1 / 3)
        assert figures["ndcg"] == pytest.approx(0.5)


def queries():
    """A query to judge, one without a relevant and one without an irrelevant candidate."""
    relevance = [RELEVANCE, np.zeros(2), np.ones(3)]
    return relevance, [SCORES, np.array([0.1, 0.2]), np.array([0.3, 0.2, 0.1])]


def test_raw_takes_every_query():
    figures = ranking_figures(*queries(), judged="raw")
    assert figures["map"] == pytest.approx((0.5 + 0 + 1) / 3)
    assert figures["mrr"] == pytest.approx((0.5 + 0 + 1) / 3)
    assert (figures["judged"], figures["convention"]) == (3, "raw")


def test_clean_leaves_out_what_cannot_be_ranked_and_counts_it():
    figures = ranking_figures(*queries(), judged="clean")
    assert (figures["map"], figures["mrr"]) == (pytest.approx(0.5), 0.5)
    counts = ("queries", "without_relevant", "without_irrelevant", "judged")
    assert [figures[name] for name in counts] == [3, 1, 1, 1]


def test_nothing_to_rank_is_refused():
    with pytest.raises(ConfigError, match="2 queries, none of them with both"):
        ranking_figures([np.ones(2), np.zeros(2)], [np.zeros(2)] * 2, judged="clean")
    with pytest.raises(ConfigError, match="0 queries"):
        ranking_figures([], [])


def test_no_relevant_candidate_is_nothing_found():
    assert average_precision(np.zeros(3)) == reciprocal_rank(np.zeros(3)) == ndcg(np.zeros(3)) == 0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_figures_agree_with_scikit_learn_where_no_scores_are_equal(data):
    metrics = pytest.importorskip("sklearn.metrics")
    size = data.draw(st.integers(2, 12))
    grades = st.lists(st.integers(0, 3), min_size=size, max_size=size)
    relevance = np.array(data.draw(grades), dtype=float)
    assume((relevance > 0).any())
    scores = np.array(data.draw(st.permutations(range(size))), dtype=float)
    cutoff = data.draw(st.integers(1, size))
    figures = ranking_figures([relevance], [scores], cutoffs=(cutoff,))
    wanted = metrics.average_precision_score(relevance > 0, scores)
    assert figures["map"] == pytest.approx(wanted)
    assert figures["ndcg"] == pytest.approx(metrics.ndcg_score([relevance], [scores]))
    at = metrics.ndcg_score([relevance], [scores], k=cutoff)
    assert figures[f"ndcg@{cutoff}"] == pytest.approx(at)
