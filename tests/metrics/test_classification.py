"""Figures of classification against values worked by hand and against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.errors import ConfigError
from gloze.metrics.classification import classification_figures
from gloze.metrics.statistics import spread

# 3 right positives, 1 missed, 2 false alarms, 4 right negatives.
LABELS = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
SAID = np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 0])


def test_two_classes_by_hand():
    figures = classification_figures(LABELS, SAID, num_labels=2)
    assert figures.confusion == ((4, 2), (1, 3))
    assert figures.accuracy == 0.7
    assert figures.f1 == pytest.approx(2 * 3 / (2 * 3 + 2 + 1))
    assert figures.macro_f1 == pytest.approx((6 / 9 + 8 / 11) / 2)
    assert figures.matthews == pytest.approx((3 * 4 - 2 * 1) / math.sqrt(5 * 4 * 6 * 5))


def test_the_positive_class_can_be_the_first():
    assert classification_figures(LABELS, SAID, num_labels=2, positive=0).f1 == pytest.approx(
        8 / 11
    )


def test_a_constant_answer_has_no_correlation_and_no_f1():
    figures = classification_figures(LABELS, np.zeros(10, dtype=int), num_labels=2)
    assert (figures.accuracy, figures.f1, figures.matthews) == (0.6, 0.0, 0.0)


def test_perfect_answers_have_the_best_figures():
    figures = classification_figures(LABELS, LABELS, num_labels=2)
    assert (figures.accuracy, figures.f1, figures.macro_f1, figures.matthews) == (1, 1, 1, 1)


def test_nothing_to_judge_is_refused():
    with pytest.raises(ConfigError, match="0 labels and 0 predictions"):
        classification_figures(np.zeros(0, int), np.zeros(0, int), num_labels=2)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_figures_agree_with_scikit_learn(data):
    metrics = pytest.importorskip("sklearn.metrics")
    classes = data.draw(st.integers(2, 5))
    size = data.draw(st.integers(1, 40))
    draw = st.lists(st.integers(0, classes - 1), min_size=size, max_size=size)
    labels, said = np.array(data.draw(draw)), np.array(data.draw(draw))
    figures = classification_figures(labels, said, num_labels=classes)
    every = list(range(classes))
    assert figures.accuracy == pytest.approx(metrics.accuracy_score(labels, said))
    macro = metrics.f1_score(labels, said, labels=every, average="macro", zero_division=0)
    assert figures.macro_f1 == pytest.approx(macro)
    if classes == 2:
        assert figures.f1 == pytest.approx(metrics.f1_score(labels, said, zero_division=0))
    if len(set(labels)) > 1 or len(set(said)) > 1:
        assert figures.matthews == pytest.approx(metrics.matthews_corrcoef(labels, said))
    assert figures.confusion == tuple(
        map(tuple, metrics.confusion_matrix(labels, said, labels=every).tolist())
    )


def test_spread_by_hand():
    found = spread([0.8, 0.9, 1.0])
    assert found.mean == pytest.approx(0.9)
    assert found.deviation == pytest.approx(0.1)
    assert str(found) == "0.9000 ± 0.1000"


def test_one_value_has_no_spread():
    found = spread([0.5])
    assert (found.mean, found.deviation, str(found)) == (0.5, None, "0.5000")
