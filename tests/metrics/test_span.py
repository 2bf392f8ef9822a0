"""Answers against gold ones: the figures of the official scripts."""
# ruff: noqa: RUF001 - marks of both scripts are the matter of this file

import gzip
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.errors import ConfigError
from gloze.metrics.chinese_span import cmrc_score, longest_common_run, segments, words
from gloze.metrics.span import (
    best_threshold,
    between_scores,
    normalize,
    scoring_of,
    span_figures,
    squad_score,
    squad_v2_score,
)


def gold_of(path):
    with gzip.open(path) as file:
        data = json.load(file)["data"]
    questions = [q for article in data for p in article["paragraphs"] for q in p["qas"]]
    return {q["id"]: [answer["text"] for answer in q["answers"]] for q in questions}


@pytest.mark.parametrize(
    ("system", "exact", "f1", "missing"),
    [
        ("bert-ensemble", "74.874", "86.325", 0),
        ("r-net-ensemble", "72.773", "83.408", 0),
        ("logistic-regression", "34.538", "45.852", 2),
    ],
)
def test_published_predictions_get_the_official_figures(shared_data, system, exact, f1, missing):
    gold = gold_of(shared_data / "xquad/xquad.en.json.gz")
    said = json.loads((shared_data / f"xquad/predictions-{system}.json").read_text())
    figures = span_figures(gold, said, scoring=scoring_of(gold))
    assert f"{100 * figures['exact']:.3f}" == exact
    assert f"{100 * figures['f1']:.3f}" == f1
    assert (figures["examples"], figures["missing"]) == (1190, missing)


def test_no_answer_everywhere_gets_the_official_figures_of_squad_2(shared_data):
    gold = gold_of(shared_data / "squad-v2/dev-v2.0.json.gz")
    assert scoring_of(gold) == "squad_v2"
    figures = span_figures(gold, dict.fromkeys(gold, ""), scoring="squad_v2")
    assert f"{100 * figures['exact']:.3f}" == f"{100 * figures['f1']:.3f}" == "50.706"
    assert (figures["NoAns_exact"], figures["HasAns_f1"]) == (1.0, 0.0)
    assert figures["NoAns_total"] + figures["HasAns_total"] == figures["examples"] == 1629


@pytest.mark.parametrize(
    "file",
    ["squad-v2/dev-v2.0", "xquad/xquad.de", "xquad/xquad.zh", "cmrc2018/cmrc2018-dev"],
)
def test_first_gold_answers_score_one(shared_data, file):
    gold = gold_of(shared_data / f"{file}.json.gz")
    said = {i: answers[0] if answers else "" for i, answers in gold.items()}
    figures = span_figures(gold, said, scoring=scoring_of(gold))
    assert (figures["exact"], figures["f1"]) == (1.0, 1.0)


def test_answers_are_compared_without_case_punctuation_articles_and_odd_spaces():
    assert normalize(" The  quick, Brown\u00a0fox's an a-theory ") == "quick brown foxs atheory"
    assert squad_score(["the Cat!"], "cat") == (1.0, 1.0)
    # Two of three said words are right, and all two gold ones: precision 2/3, recall 1.
    assert squad_score(["a dog", "red house"], "big red house") == (0.0, pytest.approx(0.8))
    # Words count as often as they occur: one of two, and one of one.
    assert squad_score(["new york new"], "new") == (0.0, pytest.approx(0.5))
    assert squad_score(["cat"], "") == (0.0, 0.0)


def test_the_scripts_differ_where_nothing_is_left_of_an_answer():
    assert squad_score(["the"], "The") == (1.0, 0.0)
    assert squad_v2_score(["the"], "The") == (1.0, 1.0)
    assert squad_v2_score([], "") == (1.0, 1.0)
    assert squad_v2_score([], "cat") == (0.0, 0.0)
    assert squad_v2_score(["cat", "the"], "") == (0.0, 0.0)


def test_chinese_is_cut_into_characters_and_the_words_between_them():
    assert segments("《战国无双3》由Koei-Tecmo, Ltd.开发") == [
        *"战国无双", "3", "由", "koeitecmo", ",", "ltd", ".", "开", "发",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # What nltk 3.10's NLTKWordTokenizer makes of each.
        ("cat's 3.5%, isn't it?", ["cat", "'s", "3.5", "%", ",", "is", "n't", "it", "?"]),
        ('"he said" (so).', ["``", "he", "said", "''", "(", "so", ")", "."]),
        ("u.s. 1,000 km", ["u.s.", "1,000", "km"]),
        ("cannot gonna wanna go...", ["can", "not", "gon", "na", "wan", "na", "go", "..."]),
        ("'tis d'ye say more'n", ["'", "tis", "d", "'ye", "say", "more", "'n"]),
        ("‘a «b» 5–6 ''x''", ["‘", "a", "«", "b", "»", "5", "–", "6", "``", "x", "''"]),
        ("at&t; $5 #1 @x", ["at", "&", "t", ";", "$", "5", "#", "1", "@", "x"]),
    ],
)  # fmt: skip
def test_words_between_are_cut_as_nltk_cuts_them(text, expected):
    assert words(text) == expected


def test_chinese_answers_score_by_the_longest_run_they_have_in_common():
    # 3 characters in a row of 4 gold and 5 said ones: 2 * 3 / 9.
    assert cmrc_score(["柴郡大学"], "在柴郡大的") == (0.0, pytest.approx(2 / 3))
    assert cmrc_score(["《柴郡》"], "柴郡。") == (1.0, 1.0)
    assert cmrc_score(["大学", "柴郡"], "柴郡") == (1.0, 1.0)
    assert cmrc_score(["柴郡"], "") == (0.0, 0.0)
    assert cmrc_score(["，"], "。") == (1.0, 0.0)


@given(st.lists(st.sampled_from("abc"), max_size=9), st.lists(st.sampled_from("abc"), max_size=9))
def test_the_longest_common_run_is_the_longest_slice_that_occurs(a, b):
    slices = [a[i:j] for i in range(len(a)) for j in range(i + 1, len(a) + 1)]
    inside = [s for s in slices if any(b[k : k + len(s)] == s for k in range(len(b)))]
    assert longest_common_run(a, b) == max(map(len, inside), default=0)


def test_the_kind_of_file_tells_the_script():
    assert scoring_of({"1": ["a cat"], "2": []}) == "squad_v2"
    assert scoring_of({"1": ["柴郡 cat"], "2": ["在柴郡大的"]}) == "cmrc"
    assert scoring_of({"1": ["柴郡 the cat"], "2": ["a dog"]}) == "squad"
    assert scoring_of({"1": ["1990"]}) == "squad"


@pytest.mark.parametrize("scoring", ["squad", "squad_v2", "cmrc"])
def test_no_answer_is_right_by_every_script_where_there_is_none(scoring):
    figures = span_figures({"1": [], "2": ["cat"], "3": []}, {"1": "", "3": "cat"}, scoring=scoring)
    assert (figures["NoAns_exact"], figures["NoAns_f1"]) == (0.5, 0.5)
    assert figures["HasAns_exact"] == 0.0


def test_questions_without_answers_are_wrong_and_answers_without_questions_left_out():
    figures = span_figures({"1": ["cat"], "2": ["dog"]}, {"1": "cat", "9": "x"}, scoring="squad")
    assert figures == {"exact": 0.5, "f1": 0.5, "examples": 2, "missing": 1, "unasked": 1}


GOLD = {"1": ["cat"], "2": [], "3": ["big dog"], "4": []}
SAID = {"1": "cat", "2": "sea", "3": "dog", "4": "sky"}


def test_a_threshold_takes_answers_back():
    odds = {"1": -3.0, "2": 2.0, "3": -1.0, "4": -2.0}
    figures = span_figures(GOLD, SAID, scoring="squad_v2", null_scores=odds, null_threshold=1.0)
    assert (figures["HasAns_exact"], figures["NoAns_exact"]) == (0.5, 0.5)
    assert figures["exact"] == 0.5
    assert figures["f1"] == pytest.approx((1 + 1 + 2 / 3 + 0) / 4)
    # Answering only question 1 gives 1 + 2 of 4; question 4 and then 3 make it worse.
    assert (figures["best_exact"], figures["best_exact_thresh"]) == (0.75, -3.0)
    assert (figures["best_f1"], figures["best_f1_thresh"]) == (0.75, -3.0)


def test_where_nothing_is_best_the_threshold_is_none_and_the_script_says_0():
    odds = {"1": 3.0, "2": -2.0, "3": 1.0, "4": -3.0}
    figures = span_figures(GOLD, SAID, scoring="squad_v2", null_scores=odds)
    assert (figures["best_exact"], figures["best_exact_thresh"]) == (0.5, 0.0)
    assert best_threshold(odds, GOLD, SAID, np.array([1.0, 0.0, 0.0, 0.0])) == (0.5, None)


def test_of_equally_good_thresholds_the_smallest_is_taken():
    # To answer question 2 as well neither gains nor loses: it is right in neither way.
    gold, said = {"1": ["cat"], "2": ["dog"]}, {"1": "cat", "2": "sea"}
    assert best_threshold({"1": -1.0, "2": 1.0}, gold, said, np.array([1.0, 0.0])) == (0.5, -1.0)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(-9, 9)), min_size=1))
def test_no_other_threshold_is_better(rows):
    rows = [(has, right, odds + i / 1000) for i, (has, right, odds) in enumerate(rows)]
    gold = {str(i): ["a"] if has else [] for i, (has, _, _) in enumerate(rows)}
    said = dict.fromkeys(gold, "b")
    scores = np.array([float(has and right) for has, right, _ in rows])
    odds = {str(i): row[2] for i, row in enumerate(rows)}
    best, threshold = best_threshold(odds, gold, said, scores)
    has = np.array([row[0] for row in rows])
    values = np.array(list(odds.values()))
    reached = [np.where(values > t, ~has, scores).mean() for t in [*values, -np.inf]]
    assert best == pytest.approx(max(reached))
    limit = -np.inf if threshold is None else threshold
    assert np.where(values > limit, ~has, scores).mean() == pytest.approx(best)


def test_a_threshold_between_null_scores_takes_back_the_same_answers():
    odds = [-1.0, 3.0, 3.0, 0.5, np.nextafter(3.0, 4.0)]
    assert between_scores(odds, -1.0) == -0.25
    assert between_scores(odds, 0.5) == 1.75
    assert between_scores(odds, max(odds)) == max(odds) + 1
    assert between_scores(odds, None) == -2.0
    # No number lies between these two.
    assert 3.0 <= between_scores(odds, 3.0) < max(odds)


def test_nothing_to_judge_and_missing_null_scores_are_refused():
    with pytest.raises(ConfigError, match="There are no questions to judge answers to"):
        span_figures({}, {}, scoring="squad")
    with pytest.raises(ConfigError, match="There is no null score for question '2'"):
        span_figures(GOLD, SAID, scoring="squad_v2", null_scores={"1": 0.0}, null_threshold=0.0)
