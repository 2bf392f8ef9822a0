"""Figures of choices, worked by hand."""

import numpy as np
import pytest

from gloze.core.errors import ConfigError
from gloze.metrics.choice import choice_figures


def test_accuracy_is_also_told_by_number_of_options():
    gold, taken = np.array([0, 1, 2, 3]), np.array([0, 1, 0, 3])
    figures = choice_figures(gold, taken, np.array([2, 4, 4, 4]))
    assert figures["accuracy"] == 0.75
    assert figures["guessing"] == pytest.approx((1 / 2 + 3 / 4) / 4)
    assert figures["by_options"]["2"] == {"examples": 1, "accuracy": 1.0}
    assert figures["by_options"]["4"] == {"examples": 3, "accuracy": pytest.approx(2 / 3)}


def test_nothing_to_judge_is_refused():
    with pytest.raises(ConfigError, match="0 questions"):
        choice_figures(np.zeros(0, int), np.zeros(0, int), np.zeros(0, int))
