"""Reports: whole, safe and readable without anything else."""

from __future__ import annotations

import json
import math
from html.parser import HTMLParser

import pytest

from gloze.report import (
    Curves,
    Example,
    Examples,
    Series,
    Table,
    Text,
    curves_from_metrics,
    write_report,
)
from gloze.report.chart import MAX_POINTS, Axis, draw, thin, tick_text

EVIL = "<script>alert(1)</script> \" ' & \0 \ud800"
VOID = {"meta", "line", "path", "circle"}


class Page(HTMLParser):
    """The tags and the text of a page; fails where a tag is not closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def written(tmp_path, *sections, title="Title"):
    path = tmp_path / "report.html"
    write_report(path, title, sections)
    return Page(path.read_text(encoding="utf-8"))


def every_section(text):
    return (
        Text(text=text, heading=text),
        Table(columns=[text], rows=[[text]], heading=text, caption=text),
        Curves(series=[Series(text, [(1, 2), (2, 3)])], heading=text, x_label=text, y_label=text),
        Examples(items=[Example(text, [(text, 0.5)], note=text)], heading=text, caption=text),
    )


def test_text_from_anywhere_is_only_text(tmp_path):
    page = written(tmp_path, *every_section(EVIL), title=EVIL)
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count("<script>alert(1)</script> \" ' & \ufffd ?") >= 15


def test_nothing_is_fetched_and_nothing_runs(tmp_path):
    page = written(tmp_path, *every_section("x"))
    names = {name for _, attributes in page.tags for name in attributes}
    assert names.isdisjoint({"src", "href", "srcset", "onload", "onclick"})
    assert {"link", "img", "iframe", "object"}.isdisjoint({tag for tag, _ in page.tags})
    assert "url(" not in page.text
    policy = [a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_the_page_follows_the_screen_and_dark_mode(tmp_path):
    page = written(tmp_path, Text(text="x"))
    assert "prefers-color-scheme: dark" in page.text
    assert any(a.get("name") == "viewport" for _, a in page.tags)


def test_numbers_of_a_table_stand_to_the_right_and_are_short(tmp_path):
    table = Table(columns=["name", "n", "mean"], rows=[["a", 12345, 2 / 3], ["b", None, 0.5]])
    page = written(tmp_path, table)
    right = [a.get("class") for t, a in page.tags if t in ("td", "th")]
    assert right == [None, "number", "number"] * 3
    assert "12,345" in page.text
    assert "0.6667" in page.text


def test_a_table_with_a_cell_too_few_is_our_bug():
    with pytest.raises(AssertionError, match="1 cells, 2 columns"):
        Table(columns=["a", "b"], rows=[["x"]])


def test_paragraphs_are_parted_by_blank_lines(tmp_path):
    page = written(tmp_path, Text(text="one\n\ntwo"))
    assert [tag for tag, _ in page.tags].count("p") == 2


def test_probabilities_are_bars_of_their_length(tmp_path):
    page = written(tmp_path, Examples(items=[Example("x", [("a", 0.25), ("b", 1.0)])]))
    widths = [a["style"] for _, a in page.tags if a.get("class") == "bar"]
    assert widths == ["width: 25.0%", "width: 100.0%"]


def test_values_fall_where_they_should():
    axis = Axis(low=0, high=10, begin=100, end=200)
    assert [axis.place(x) for x in (0, 5, 10)] == [100, 150, 200]
    log = Axis(low=1, high=100, begin=0, end=100, is_log=True)
    assert log.place(10) == pytest.approx(50)


@pytest.mark.parametrize(
    ("low", "high", "is_log", "ticks"),
    [
        (0, 10, False, [0, 2, 4, 6, 8, 10]),
        (0.31, 0.69, False, [0.4, 0.5, 0.6]),
        (-1, 1, False, [-1, -0.5, 0, 0.5, 1]),
        (1, 100, True, [1, 2, 5, 10, 20, 50, 100]),
        (3, 50_000, True, [10, 100, 1000, 10_000]),
    ],
)
def test_ticks_are_round_and_inside(low, high, is_log, ticks):
    assert Axis(low, high, 0, 1, is_log).ticks() == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (20_000, "20k"), (3e6, "3M"), (1e-5, "1e-05"), (1e-17, "0"), (-2000, "-2k")],
)
def test_tick_texts_are_short(value, text):
    assert tick_text(value) == text


@pytest.mark.parametrize(
    "points",
    [[(1, 1)], [(1, 5), (2, 5)], [(0, 1), (1, math.nan), (2, math.inf), (3, 2)], [(3, 1e-300)]],
)
def test_charts_of_odd_points_hold_only_finite_places(points):
    for log_x in (False, True):
        svg = draw(Curves(series=[Series("a", points)], log_x=log_x))
        Page(svg)
        assert "nan" not in svg
        assert "inf" not in svg


def test_a_chart_without_points_says_so():
    assert draw(Curves(series=[Series("a", [])])) == "<p>No points yet.</p>"
    assert draw(Curves(series=[Series("a", [(0, 1)])], log_x=True)) == "<p>No points yet.</p>"


def test_long_lines_are_thinned_to_means():
    assert thin([(0, 1), (1, 2)]) == [(0, 1), (1, 2)]
    points = [(float(x), float(x % 2)) for x in range(2 * MAX_POINTS)]
    thinned = thin(points)
    assert len(thinned) == MAX_POINTS
    assert thinned[0] == (0.5, 0.5)


def test_curves_of_a_run_split_by_kind_and_held_out_ones_are_dashed(tmp_path):
    rows = [
        {"step": 1, "tokens": 10, "loss": 3.0, "mlm_loss": 2.0, "mlm_accuracy": 0.1, "lr": 0.1},
        {"step": 2, "tokens": 20, "loss": None, "mlm_loss": 1.5, "mlm_accuracy": 0.2, "lr": 0.2},
        {"step": 2, "tokens": 20, "split": "valid", "mlm_loss": 1.8, "mlm_perplexity": 6.05},
    ]
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    charts = {chart.heading: chart for chart in curves_from_metrics(path, x="tokens")}
    assert list(charts) == ["Loss", "Accuracy", "Perplexity", "Learning rate"]
    loss = {line.name: line for line in charts["Loss"].series}
    assert loss["loss, train"].points == [(10, 3.0)]
    assert loss["mlm_loss, train"].points == [(10, 2.0), (20, 1.5)]
    assert loss["mlm_loss, valid"].points == [(20, 1.8)]
    assert loss["mlm_loss, valid"].dashed
    assert loss["mlm_loss, valid"].color == loss["mlm_loss, train"].color
    assert charts["Loss"].x_label == "tokens"


def test_a_run_without_metrics_has_no_curves(tmp_path):
    assert curves_from_metrics(tmp_path / "metrics.jsonl") == []


def test_a_report_replaces_an_old_one_and_is_the_same_each_time(tmp_path):
    first = every_section("x")
    write_report(tmp_path / "a.html", "t", first)
    write_report(tmp_path / "a.html", "t", first)
    write_report(tmp_path / "b.html", "t", first)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2
