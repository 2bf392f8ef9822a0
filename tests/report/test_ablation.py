"""What arms come to beside each other: spreads, pairs and tests worked by hand."""

import math

import pytest

from gloze.report.ablation import (
    AblationResult,
    ArmResult,
    Cost,
    Outcome,
    adjust,
    compare_outcomes,
)
from gloze.report.ablation_page import table_text, write_ablation_report


def outcome(figures):
    return Outcome(metric="accuracy", split="test", examples=10, figures=figures, seconds=1.0)


def cost(**changes):
    values = {"kind": "encoder", "parameters": 1000, "tokens": 2000, "passes": 0.5}
    return Cost(**{**values, "seconds": 90.0, "flops": 3e9, "figures": {"mlm_loss": 2.5}} | changes)


ONE = outcome({0: {0: 0.80, 1: 0.81, 2: 0.79}})
OTHER = outcome({0: {0: 0.82, 1: 0.84, 2: 0.83}})
# Means 0.81, 0.80; and 0.85, 0.82.
SEVERAL = outcome({0: {0: 0.80, 1: 0.82}, 1: {0: 0.79, 1: 0.81}})
OTHERS = outcome({0: {0: 0.84, 1: 0.86}, 1: {0: 0.82, 1: 0.82}})


def test_of_one_pretraining_the_seeds_of_fine_tuning_are_the_pairs():
    found = compare_outcomes(OTHER, ONE, p_examples=0.2)
    assert found.mean == pytest.approx(0.03)
    assert (found.pairs, found.unit) == (3, "fine-tunings")
    # t = 0.03 / (0.01 / sqrt(3)) = 5.196 with two degrees of freedom.
    assert found.p_seeds == pytest.approx(0.0351, abs=1e-4)
    # What is to be believed passes both tests.
    assert found.p == found.p_examples == 0.2
    assert compare_outcomes(OTHER, ONE, p_examples=0.001).p == found.p_seeds
    assert ONE.spread.mean == pytest.approx(0.8)
    assert ONE.spread.deviation == pytest.approx(0.01)


def test_of_several_pretrainings_each_counts_once_by_its_mean():
    assert SEVERAL.units == pytest.approx({0: 0.81, 1: 0.80})
    assert SEVERAL.spread.deviation == pytest.approx(0.01 / math.sqrt(2))
    found = compare_outcomes(OTHERS, SEVERAL, p_examples=None)
    assert found.mean == pytest.approx(0.03)
    assert (found.pairs, found.unit) == (2, "pre-trainings")
    # Differences 0.04 and 0.02: t = 0.03 / 0.01 = 3 with one degree of freedom, where
    # p = 1 - 2 / pi * atan(t).
    assert found.p_seeds == pytest.approx(1 - 2 / math.pi * math.atan(3))
    assert found.p == found.p_seeds


def test_one_pretraining_beside_several_says_nothing_of_seeds():
    found = compare_outcomes(SEVERAL, outcome({0: {0: 0.70, 1: 0.75}}), p_examples=0.03)
    assert found.mean == pytest.approx(0.085)
    assert (found.pairs, found.unit, found.p_seeds) == (2, "fine-tunings", None)
    assert (found.p_examples, found.p) == (0.03, None)


def test_without_common_seeds_there_is_no_difference():
    assert compare_outcomes(outcome({0: {5: 0.7}}), outcome({0: {6: 0.7}}), 0.5) is None
    assert compare_outcomes(outcome({5: {0: 0.7}}), SEVERAL, 0.5) is None


def test_all_differences_are_adjusted_together():
    pairs = [(OTHER, ONE, 0.5), (ONE, OTHER, 0.2), (outcome({0: {0: 0.9}}), ONE, 0.01)]
    found = [compare_outcomes(*pair) for pair in pairs]
    # The third has one pair of seeds, and does not count.
    assert adjust(found) == [0.5, 0.4, None]


@pytest.fixture
def result(tmp_path):
    difference = compare_outcomes(OTHER, ONE, p_examples=0.2)
    other = Outcome(**{**vars(OTHER), "difference": difference})
    arms = [
        ArmResult(name="base", recipe="bert-tiny", costs={0: cost()}, outcomes={"a": ONE}),
        ArmResult(
            name="x|y <b>",
            recipe="glove",
            costs={0: cost(flops=None, figures={}), 1: cost(tokens=4000, flops=None, figures={})},
            outcomes={"a": other},
            failures={"b, seed 0": "diverged"},
        ),
        ArmResult(name="there", recipe="runs/there", costs={}, trained_as="base"),
    ]
    return AblationResult(path=tmp_path, budget="2,000 tokens", arms=arms, tasks=["a", "b"])


def test_the_table_says_what_arms_took_and_came_to(result):
    header, rows = result.figures_rows()
    assert header[-2:] == ["a accuracy (test)", "b"]
    base = ["1,000", "2,000", "0.50", "1.5", "3e+09", "mlm_loss 2.5000", "0.8000 ± 0.0100", "-"]
    assert rows[0] == ["base", *base]
    assert rows[1][2:6] == ["3,000", "0.50", "1.5", "-"]
    assert rows[2] == ["there", *["-"] * 8]
    differences = result.difference_rows()
    assert differences == [
        ["a", "x|y <b>", "+0.0300", "3 fine-tunings", "0.0351", "0.2000", "-"],
    ]
    assert "Failed: x|y <b>, b, seed 0: diverged" in str(result)


def test_markdown_keeps_its_columns_whatever_arms_are_called(result):
    lines = [line for line in table_text(result).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines[:5]} == {10}
    assert "| x/y <b> |" in table_text(result)


def test_the_page_draws_what_logs_hold_and_escapes_names(result, tmp_path):
    rows = [
        '{"step": 1, "tokens": 10, "loss": 9.0, "mlm_loss": 8.0, "seconds": 60.0}',
        *(
            f'{{"step": {n}, "tokens": {10 * n}, "split": "valid", "mlm_loss": {9 - n}, '
            f'"loss": 7.0, "seconds": {60 * n}}}'
            for n in (1, 2)
        ),
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(rows) + "\n")
    vectors = '{"step": 1, "tokens": 9, "split": "valid", "epoch_loss": 2, "loss": 3, "seconds": 1}'
    (tmp_path / "v.jsonl").write_text(vectors + "\n")
    logs = {"base": tmp_path / "m.jsonl", "x|y <b>": tmp_path / "v.jsonl"}
    write_ablation_report(result, logs)
    page = (tmp_path / "report.html").read_text()
    charts = (
        "mlm, by tokens",
        "mlm, by minutes",
        "word vectors, by tokens",
        "word vectors, by minutes",
    )
    for heading in charts:
        assert page.count(f"Held-out loss of {heading}</h2>") == 1
    # The total of several objectives is no loss of its own.
    assert page.count("<svg") == 4
    assert "<b>" not in page
    assert "x|y &lt;b&gt;" in page
