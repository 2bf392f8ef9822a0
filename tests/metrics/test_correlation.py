"""Correlations against values worked by hand and against scipy."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gloze.core.errors import ConfigError
from gloze.metrics.correlation import mean_ranks, pearson, regression_figures, spearman

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3))


def test_every_figure_by_hand():
    figures = regression_figures(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 2.0, 4.0, 6.0]))
    # Deviations -1.5 -0.5 0.5 1.5 and -1.5 -1.5 0.5 2.5: 7 / sqrt(5 x 11).
    assert figures.pearson == pytest.approx(7 / math.sqrt(55))
    # Ranks 1 2 3 4 and 1.5 1.5 3 4: 4.5 / sqrt(5 x 4.5).
    assert figures.spearman == pytest.approx(4.5 / math.sqrt(22.5))
    assert figures.pearson_spearman == pytest.approx((figures.pearson + figures.spearman) / 2)
    assert figures.mean_squared_error == pytest.approx((1 + 0 + 1 + 4) / 4)
    assert figures.mean_absolute_error == 1.0
    assert figures.r2 == pytest.approx(1 - 1.5 / 1.25)
    assert (figures.examples, figures.is_constant) == (4, False)


def test_equal_numbers_share_their_mean_rank():
    assert mean_ranks(np.array([3.0, 1.0, 3.0, 2.0, 3.0])).tolist() == [4, 1, 4, 2, 4]


@pytest.mark.parametrize("constant", ["targets", "predicted"])
def test_a_constant_side_has_no_correlation_and_is_told(constant):
    sides = {"targets": np.array([1.0, 2.0, 3.0]), "predicted": np.array([1.0, 2.0, 3.0])}
    sides[constant] = np.full(3, 0.1)
    figures = regression_figures(**sides)
    assert (figures.pearson, figures.spearman, figures.is_constant) == (0.0, 0.0, True)


def test_the_mean_explains_nothing_and_the_truth_all():
    x = np.array([1.0, 2.0, 6.0])
    assert regression_figures(x, np.full(3, 3.0)).r2 == pytest.approx(0)
    assert regression_figures(x, x).r2 == 1


@pytest.mark.parametrize("scale", [1e-170, 1e170])
def test_numbers_whose_squares_leave_the_range_of_floats_correlate(scale):
    x = np.array([1.0, 2.0, 3.0]) * scale
    assert pearson(x, x) == pytest.approx(1)
    assert pearson(x, -x) == pytest.approx(-1)


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e30])
def test_the_variance_explained_depends_on_no_scale(scale):
    x, y = np.array([1.0, 2.0, 6.0]), np.array([1.0, 3.0, 5.0])
    expected = regression_figures(x, y).r2
    assert regression_figures(x * scale, y * scale).r2 == pytest.approx(expected, abs=1e-3)


def test_the_variance_explained_is_a_number_however_far_answers_are_off():
    figures = regression_figures(np.array([1e-200, 2e-200]), np.array([0.5, 0.25]))
    assert -np.inf < figures.r2 < -1e300


@pytest.mark.parametrize("sides", [([], []), ([1.0], [1.0, 2.0])])
def test_nothing_to_judge_is_refused(sides):
    with pytest.raises(ConfigError, match="cannot be judged"):
        regression_figures(np.array(sides[0]), np.array(sides[1]))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_correlations_and_ranks_agree_with_scipy(data):
    stats = pytest.importorskip("scipy.stats")
    size = data.draw(st.integers(2, 30))
    few = st.one_of(NUMBERS, st.sampled_from([0.0, 1.0, 2.5]))
    x, y = (np.array(data.draw(st.lists(few, min_size=size, max_size=size))) for _ in range(2))
    assert mean_ranks(x).tolist() == stats.rankdata(x).tolist()
    assume(np.ptp(x) > 0)
    assume(np.ptp(y) > 0)
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-9)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)
