"""Figures of several labels against scikit-learn, thresholds against trying every one."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.errors import ConfigError
from gloze.metrics.multilabel import best_threshold, best_thresholds, multilabel_figures


def table(data, rows, columns):
    flat = st.lists(st.booleans(), min_size=rows * columns, max_size=rows * columns)
    return np.array(data.draw(flat), dtype=bool).reshape(rows, columns)


def probabilities(data, rows, columns):
    steps = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.6, 0.9, 1.0])
    flat = st.lists(steps, min_size=rows * columns, max_size=rows * columns)
    return np.array(data.draw(flat)).reshape(rows, columns)


def test_every_figure_by_hand():
    named = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]], dtype=bool)
    said = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]], dtype=bool)
    figures = multilabel_figures(named, said)
    assert (figures.micro_precision, figures.micro_recall) == (2 / 3, 2 / 3)
    assert figures.micro_f1 == pytest.approx(2 / 3)
    assert figures.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert figures.subset_accuracy == pytest.approx(1 / 3)
    assert figures.hamming_loss == pytest.approx(2 / 9)
    assert [label.support for label in figures.by_label] == [1, 2, 0]
    assert (figures.by_label[0].precision, figures.by_label[0].recall) == (0.5, 1.0)


def test_nothing_to_judge_is_refused():
    with pytest.raises(ConfigError, match="cannot be judged"):
        multilabel_figures(np.zeros((0, 2), bool), np.zeros((0, 2), bool))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_figures_agree_with_scikit_learn(data):
    metrics = pytest.importorskip("sklearn.metrics")
    rows, columns = data.draw(st.integers(1, 12)), data.draw(st.integers(2, 5))
    named, said = table(data, rows, columns), table(data, rows, columns)
    figures = multilabel_figures(named, said)
    for average in ("micro", "macro"):
        wanted = metrics.precision_recall_fscore_support(
            named, said, average=average, zero_division=0
        )
        for name, value in zip(("precision", "recall", "f1"), wanted, strict=False):
            assert getattr(figures, f"{average}_{name}") == pytest.approx(value)
    each = metrics.precision_recall_fscore_support(named, said, average=None, zero_division=0)
    rows_of = [(x.precision, x.recall, x.f1, x.support) for x in figures.by_label]
    assert np.array(rows_of) == pytest.approx(np.array(each).T)
    assert figures.subset_accuracy == pytest.approx(metrics.accuracy_score(named, said))
    assert figures.hamming_loss == pytest.approx(metrics.hamming_loss(named, said))


EVERY = [0.0, 0.05, 0.2, 0.4, 0.55, 0.75, 0.95, 1.5]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(["micro_f1", "macro_f1"]))
def test_no_threshold_is_better_than_the_best_one(data, average):
    named, p = table(data, 6, 3), probabilities(data, 6, 3)
    found = getattr(multilabel_figures(named, p >= best_threshold(named, p, average)), average)
    every = [getattr(multilabel_figures(named, p >= each), average) for each in EVERY]
    assert found == pytest.approx(max(every))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(["micro_f1", "macro_f1"]))
def test_no_thresholds_label_by_label_are_better_than_the_best(data, average):
    named, p = table(data, 6, 3), probabilities(data, 6, 3)
    named[0] = True
    found = best_thresholds(named, p, average)
    best = getattr(multilabel_figures(named, p >= np.array(found)), average)
    every = (
        getattr(multilabel_figures(named, p >= np.array(each)), average)
        for each in itertools.product(EVERY, repeat=3)
    )
    assert best == pytest.approx(max(every))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_labels_that_no_example_has_are_counted_where_micro_f1_is_made_best(data):
    named, p = table(data, 5, 4), probabilities(data, 5, 4)
    named[:, 2:], named[0, :2] = False, True
    found = best_thresholds(named, p, "micro_f1")
    assert found[2:] == [0.5, 0.5]
    best = multilabel_figures(named, p >= np.array(found)).micro_f1
    every = (
        multilabel_figures(named, p >= np.array([*each, 0.5, 0.5])).micro_f1
        for each in itertools.product(EVERY, repeat=2)
    )
    assert best == pytest.approx(max(every))


def test_thresholds_lie_midway_and_of_equals_nearest_to_a_half():
    named = np.array([[1], [1], [0], [0]], dtype=bool)
    p = np.array([[0.9], [0.8], [0.4], [0.1]])
    assert best_threshold(named, p, "micro_f1") == pytest.approx(0.6)
    assert best_thresholds(named, p, "macro_f1") == [pytest.approx(0.6)]
    assert best_threshold(np.zeros_like(named), p, "macro_f1") == pytest.approx(0.6)


@pytest.mark.parametrize("average", ["micro_f1", "macro_f1"])
def test_a_label_that_no_example_has_keeps_a_half(average):
    named = np.array([[1, 0], [0, 0]], dtype=bool)
    p = np.array([[0.9, 0.7], [0.2, 0.8]])
    assert best_thresholds(named, p, average) == [pytest.approx(0.55), 0.5]
    assert best_thresholds(np.zeros_like(named), p, average) == [0.5, 0.5]
