"""Tests of significance: worked by hand, and equal to those of SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.metrics.significance import (
    holm,
    incomplete_beta,
    mcnemar,
    paired_test,
    randomization_test,
)

# In steps of 1/64, whose sums are exact: equal means are equal in any order of adding up.
FIGURE = st.integers(0, 64).map(lambda number: number / 64)
FIGURES = st.lists(st.tuples(FIGURE, FIGURE), min_size=2, max_size=9)


@pytest.fixture(scope="module")
def stats():
    return pytest.importorskip("scipy.stats")


def test_three_seeds_that_agree_say_little():
    found = paired_test([0.80, 0.81, 0.79], [0.82, 0.84, 0.83])
    assert found.mean == pytest.approx(0.03)
    assert found.deviation == pytest.approx(0.01)
    # t = 0.03 / (0.01 / sqrt(3)) = 5.196 with two degrees of freedom.
    assert found.t_test == pytest.approx(0.0351, abs=1e-4)
    assert found.permutation == 2 / 8


def test_pairs_without_any_difference_or_spread():
    assert paired_test([0.5], [0.6]).t_test is None
    assert paired_test([0.5], [0.6]).permutation == 1
    assert paired_test([0.5, 0.7], [0.5, 0.7]) == paired_test([1.0, 2.0], [1.0, 2.0])
    assert paired_test([0.5, 0.7], [0.5, 0.7]).t_test is None
    assert paired_test([0.5, 0.75], [0.75, 1.0]).t_test == 0
    assert paired_test([0.0] * 17, [1.0, *[0.0] * 16]).permutation is None


@settings(max_examples=50, deadline=None)
@given(FIGURES)
def test_pairs_are_judged_as_scipy_judges_them(stats, pairs):
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    found = paired_test(first, second)
    differences = second - first
    if differences.std() > 1e-6:
        assert found.t_test == pytest.approx(stats.ttest_rel(second, first).pvalue, abs=1e-9)
    exact = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert found.permutation == pytest.approx(exact.pvalue, abs=1e-9)


def test_mcnemar_looks_at_the_examples_that_one_alone_has_right():
    """Of ten such examples one system has nine: 2 * (1 + 10) / 1024."""
    first = np.array([True] * 50 + [True] * 9 + [False] * 1)
    second = np.array([True] * 50 + [False] * 9 + [True] * 1)
    assert mcnemar(first, second) == pytest.approx(22 / 1024)
    assert mcnemar(second, first) == mcnemar(first, second)
    assert mcnemar(first, first) == 1


@pytest.mark.parametrize(("one", "other"), [(0, 5), (7, 7), (30, 51), (4000, 4300), (0, 90000)])
def test_mcnemar_is_the_exact_binomial_test(stats, one, other):
    first = np.r_[np.ones(one, bool), np.zeros(other, bool)]
    exact = stats.binomtest(min(one, other), one + other).pvalue
    assert mcnemar(first, ~first) == pytest.approx(exact, rel=1e-8, abs=1e-300)


def test_exchanging_answers_at_random_tells_what_scipy_tells(stats):
    draw = np.random.default_rng(0)
    differences = draw.integers(-1, 2, 40) + (draw.random(40) < 0.15)

    def difference(exchanged):
        return np.where(exchanged, -differences, differences).mean()

    found = randomization_test(difference, 40, rounds=20_000)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=20_000, rng=0
    )
    assert found == pytest.approx(theirs.pvalue, abs=0.02)
    assert found == randomization_test(difference, 40, rounds=20_000)
    assert found != randomization_test(difference, 40, rounds=20_000, seed=1)


def test_systems_that_answer_alike_do_not_differ_and_others_do():
    assert randomization_test(lambda exchanged: 0.0, 10, rounds=50) == 1
    apart = randomization_test(lambda e: np.where(e, -1.0, 1.0).mean(), 30, rounds=99)
    assert apart == 1 / 100


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (1, 0.5), (7.5, 0.5), (500, 0.5), (3, 9)])
def test_the_incomplete_beta_function_is_that_of_scipy(a, b):
    special = pytest.importorskip("scipy.special")
    for x in (0.0, 1e-9, 0.01, 0.3, 0.5, 0.9, 0.999999, 1.0):
        assert incomplete_beta(a, b, x) == pytest.approx(special.betainc(a, b, x), abs=1e-12)


def test_p_of_several_tests_is_raised_as_holm_says():
    """The smallest by all four, the next by three; a larger p is never under a smaller one."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
