"""Ranking: queries read in groups, both losses, candidates drawn anew each epoch, answers."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gloze.core.errors import ConfigError, DataError
from gloze.data.collate import collate
from gloze.metrics.ranking import ranking_figures
from gloze.tasks.learned import Learned
from gloze.tasks.model import read_task
from gloze.tasks.ranking import Ranked, Ranking
from gloze.tasks.ranking_files import Query
from tests import small, tiny

HERE = Path("train.csv")


def read(path, format=None, columns=None, **how):
    return list(Ranking().reader(format, columns).read(path, **how))


def parts(query):
    return query.query, query.candidates, query.relevance


def test_rows_of_one_query_follow_each_other(tmp_path):
    content = "query,candidate,relevance\nq,a,0\nq,b,2\nr,c,1\n"
    one, two = read(tiny.write(tmp_path / "a.csv", content))
    assert parts(one) == ("q", ("a", "b"), (0.0, 2.0))
    assert parts(two) == ("r", ("c",), (1.0,))
    assert (one.line, two.line, one.rows) == (2, 4, None)


def test_an_id_tells_queries_of_one_text_apart(tmp_path):
    content = "query_id,query,candidate,relevance\n1,q,a,0\n2,q,b,1\n"
    path = tiny.write(tmp_path / "a.csv", content)
    assert [query.candidates for query in read(path)] == [("a",), ("b",)]
    bare = tiny.write(tmp_path / "b.tsv", "7\tq\ta\t1\n7\tq\tb\t0\n")
    [found] = read(bare, None, "query_id=0,query=1,candidate=2,relevance=3")
    assert found.candidates == ("a", "b")


def test_lists_hold_all_candidates_of_a_query(tmp_path):
    lines = '{"query":"q","candidates":["a","b"],"relevance":[1,0],"n":7}\n'
    path = tiny.write(tmp_path / "a.jsonl", lines)
    [query] = read(path, keep_rows=True)
    assert parts(query) == ("q", ("a", "b"), (1.0, 0.0))
    assert query.rows == (
        {"query": "q", "candidates": "a", "relevance": 1, "n": 7},
        {"query": "q", "candidates": "b", "relevance": 0, "n": 7},
    )
    assert read(path, needs_labels=False)[0].relevance is None
    again = tiny.write(tmp_path / "b.jsonl", lines * 2)
    assert [query.line for query in read(again)] == [1, 2]


def test_wikiqa_is_read(tmp_path):
    header = "QuestionID\tQuestion\tDocumentID\tDocumentTitle\tSentenceID\tSentence\tLabel\n"
    path = tiny.write(tmp_path / "a.tsv", header + "Q1\tq\tD1\tt\tD1-0\ta\t0\n")
    assert parts(*read(path, "wikiqa")) == ("q", ("a",), (0.0,))


@pytest.mark.parametrize(
    ("file", "queries", "candidates"),
    [("train.csv.gz", 93, 4718), ("dev.csv", 81, 1148), ("test.csv", 95, 1517)],
)
def test_trec_qa_is_read_as_it_is(shared_data, file, queries, candidates):
    found = read(shared_data / "trecqa" / file, "trecqa")
    assert len(found) == queries
    assert sum(len(query.candidates) for query in found) == candidates
    assert not any("\r" in text for query in found for text in query.candidates)


@pytest.mark.parametrize(("file", "judged"), [("dev.csv", 65), ("test.csv", 68)])
def test_the_clean_queries_of_trec_qa_are_those_of_the_cleaned_set(shared_data, file, judged):
    found = read(shared_data / "trecqa" / file, "trecqa")
    grades = [np.array(query.relevance) for query in found]
    assert ranking_figures(grades, grades, judged="clean")["judged"] == judged


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("q,a,yes\n", r":3 column 'relevance': a finite number is expected, found 'yes'"),
        ("q,a,\n", "a finite number is expected, found ''"),
        ("q,a,nan\n", "a finite number is expected"),
        ("q,a,-1\n", "relevance is at least 0, found -1"),
        ("q,,1\n", "'candidate': the text is empty"),
        (",a,1\n", "'query': a query is told by a text"),
        ("r,a,1\nq,a,1\n", r":4 column 'query': this query began in line 2.*Sort the file"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_with_their_line(tmp_path, rows, message):
    path = tiny.write(tmp_path / "a.csv", "query,candidate,relevance\nq,x,0\n" + rows)
    with pytest.raises(DataError, match=rf"a\.csv.*{message}"):
        read(path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"candidates": ["a"], "relevance": [1, 0]}, "found 1 and 2"),
        ({"candidates": [], "relevance": []}, "found 0 and 0"),
        ({"candidates": ["a"], "relevance": 1}, "found 1 and no list"),
        ({"candidates": ["a"], "relevance": None}, "a finite number is expected, found None"),
        ({"candidates": ["a", 5], "relevance": [1, 0]}, "a text is expected, found int 5"),
        ({"candidates": ["a"], "relevance": [True]}, "a finite number is expected, found True"),
    ],
)
def test_lists_that_do_not_fit_are_refused(tmp_path, row, message):
    with pytest.raises(DataError, match=rf":1 .*{message}"):
        read(tiny.write(tmp_path / "a.jsonl", json.dumps({"query": "q", **row}) + "\n"))


def test_one_id_with_two_texts_is_refused(tmp_path):
    path = tiny.write(tmp_path / "a.csv", "query_id,query,candidate,relevance\n1,q,a,0\n1,r,b,1\n")
    with pytest.raises(DataError, match=r":3 column 'query': another text than in line 2"):
        read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("question,candidate,relevance\nq,a,1\n", "'query': no such column.*query=NAME"),
        ("query,candidate\nq,a\n", "'relevance': no such column"),
        ("query,candidate,relevance\n", "a header and no rows"),
    ],
)
def test_missing_columns_are_named(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read(tiny.write(tmp_path / "a.csv", content))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gamma": 0.0, "loss": "pairwise"}, "must be over 0"),
        ({"gamma": 2.0}, "does nothing here"),
        ({"negatives": 0}, "task.negatives is 0"),
        ({"cutoffs": (5, 0)}, "task.cutoffs"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Ranking(**settings)


def test_auto_is_decided_by_the_loss():
    assert Ranking().resolve(is_plain=True).negatives == "all"
    found = Ranking(loss="pairwise", metric="mrr").resolve(is_plain=True)
    assert (found.negatives, found.metric, found.pooling) == (10, "mrr", "pooler")
    assert Ranking(loss="pairwise", negatives=3).resolve(is_plain=True).negatives == 3


QUERIES = [
    Query("the cat", ("a river", "warm bread", "the house", "a dog"), (1.0, 0.0, 0.0, 2.0)),
    Query("a garden", ("the cat", "a river"), (0.0, 0.0)),
    Query("the dog", ("bread",), (1.0,)),
    Query("a window", ("the red house", "bread", "a cat"), (0.0, 1.0, 0.0)),
]


def test_queries_that_teach_nothing_are_counted(capsys):
    Ranking(loss="pairwise").learn(QUERIES, HERE)
    said = capsys.readouterr().err
    assert "of 4 queries 1 have no relevant candidate and 1 no irrelevant one" in said
    assert "they teach nothing" in said


@pytest.mark.parametrize(
    ("loss", "queries"),
    [("pairwise", QUERIES[1:3]), ("pointwise", QUERIES[1:2]), ("pointwise", QUERIES[2:3])],
)
def test_nothing_to_learn_is_refused(loss, queries):
    with pytest.raises(DataError, match="there is nothing to learn"):
        Ranking(loss=loss).learn(queries, HERE)


def encoded(task, queries=QUERIES, seed=0):
    found = task.encode(queries, small.tokenizer(143), Learned(), path=HERE)
    return replace(found, seed=seed)


def asked(seed=0, **settings):
    task = Ranking(max_length=32, **settings).resolve(is_plain=True)
    return task.asked(encoded(task, seed=seed))


def shown(source, epoch, index):
    """Return the candidates of a sample, as the texts they are."""
    samples = source.samples(epoch, np.array([index]))
    found = []
    for ids in np.split(samples.input_ids, np.cumsum(samples.lengths)[:-1]):
        words = small.tokenizer(143).tokens(ids)
        found.append(" ".join(words[words.index("[SEP]") + 1 : -1]))
    return found


def test_pairwise_sets_each_relevant_candidate_against_the_irrelevant_ones_of_its_query():
    source = asked(loss="pairwise", negatives="all")
    assert len(source.lengths(0)) == 3
    assert [shown(source, 0, n) for n in range(3)] == [
        ["a river", "warm bread", "the house"],
        ["a dog", "warm bread", "the house"],
        ["bread", "the red house", "a cat"],
    ]
    samples = source.samples(0, np.array([2, 0]))
    assert (samples.sizes.tolist(), samples.indices.tolist()) == ([3, 3], [2, 0])
    assert samples.labels["ranking"].tolist() == [0, 0]
    assert source.lengths(0).tolist() == [
        source.samples(0, np.array([n])).lengths.sum() for n in range(3)
    ]


def test_pointwise_takes_every_candidate_by_itself():
    source = asked()
    assert len(source.lengths(0)) == 10
    samples = source.samples(0, np.arange(10))
    assert samples.sizes is None
    assert samples.labels["ranking"].tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert samples.labels["ranking"].dtype == np.float32


def test_irrelevant_candidates_are_drawn_anew_each_epoch_from_the_seed_alone():
    many = [
        Query("the cat", tuple(["bread"] + ["a cat"] * 3 + ["a dog"] * 30), (1.0,) + (0.0,) * 33)
    ]
    task = Ranking(max_length=32, loss="pairwise", negatives=5).resolve(is_plain=True)

    def drawn(seed, epoch):
        source = task.asked(encoded(task, many, seed))
        samples = source.samples(epoch, np.array([0]))
        assert samples.sizes.tolist() == [6]
        return source._drawn(epoch).sequences.tolist()

    assert drawn(0, 0) == drawn(0, 0)
    assert drawn(0, 0)[0] == 0
    assert len({tuple(drawn(seed, epoch)) for seed in (0, 1) for epoch in range(4)}) == 8
    assert {n for epoch in range(60) for n in drawn(0, epoch)} == set(range(34))


def test_pointwise_draws_so_many_for_each_relevant_one():
    source = asked(negatives=1)
    samples = source.samples(0, np.arange(len(source.lengths(0))))
    # 2 + 1 + 0 + 1 of the four queries; one without a relevant candidate gives as if it had one.
    assert samples.labels["ranking"].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


def model(**values):
    return tiny.task_model(Ranking(max_length=32, dropout=0.0, **values))


def test_the_pairwise_loss_is_that_of_equation_7():
    own = model(loss="pairwise", negatives="all", gamma=2.5)
    source = own.task.asked(encoded(own.task))
    batch = collate(source.samples(0, np.arange(3)))
    states = own.encoder(batch)
    scores = own.head.scores(states, batch)[:, 0]
    wanted = sum(-(2.5 * row).log_softmax(0)[0] for row in scores.split([3, 3, 3]))
    assert own.head(states, batch).loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    # The figure of the same queries is the mean over the relevant candidates.
    assert own.figures(QUERIES, HERE)["loss"] == pytest.approx(wanted.item() / 3, rel=1e-4)


def test_the_pointwise_loss_is_the_binary_cross_entropy():
    own = model()
    source = own.task.asked(encoded(own.task))
    batch = collate(source.samples(0, np.arange(10)))
    states = own.encoder(batch)
    scores = own.head.scores(states, batch)[:, 0]
    labels = torch.tensor([1.0] * 4 + [0.0] * 6)
    wanted = F.binary_cross_entropy(scores.sigmoid(), labels, reduction="sum").item()
    assert own.head(states, batch).loss.item() == pytest.approx(wanted, rel=1e-5)
    assert own.figures(QUERIES, HERE)["loss"] == pytest.approx(wanted / 10, rel=1e-4)


def test_the_longer_of_query_and_candidate_is_cut_and_queries_are_counted():
    task = Ranking(max_length=8)
    long = Query("the cat", ("a river the red house warm bread", "a cat"), (1.0, 0.0))
    found = encoded(task, [long, QUERIES[3]])
    tokens = small.tokenizer(143).tokens(found.input_ids[:8])
    assert tokens == ["[CLS]", "the", "cat", "[SEP]", "a", "river", "the", "[SEP]"]
    assert (len(found), found.truncated, found.summary()["truncated_share"]) == (2, 1, 0.5)


def test_answers_are_in_the_order_of_the_scores():
    own = model()
    candidates = ["a river", "warm bread", "the house"]
    [answer] = own.predict([("the cat", candidates)])
    assert list(answer.order) == sorted(range(3), key=lambda n: -answer.scores[n])
    [[one], [two]] = ([own.predict([("the cat", [c])])[0].scores[0]] for c in candidates[:2])
    assert (one, two) == pytest.approx(answer.scores[:2], abs=1e-5)


def test_figures_say_how_many_queries_were_judged():
    raw = model().figures(QUERIES, HERE)
    assert "4 of 4 queries judged (raw): 1 have no relevant" in raw["note"]
    clean = model(judged="clean").figures(QUERIES, HERE)
    assert "2 of 4 queries judged (clean)" in clean["note"]
    assert "note" not in model().figures(QUERIES[:1], HERE)
    assert (raw["queries"], raw["judged"], raw["convention"]) == (4, 4, "raw")
    assert (clean["judged"], clean["convention"]) == (2, "clean")
    assert clean["without_relevant"] == clean["without_irrelevant"] == 1
    assert raw["map"] == pytest.approx((clean["map"] * 2 + 0 + 1) / 4)
    with pytest.raises(DataError, match="there is nothing to rank"):
        model(judged="clean").figures(QUERIES[1:3], HERE)


def test_a_table_of_answers_has_a_row_for_each_candidate(tmp_path):
    path = tiny.write(tmp_path / "a.csv", "id,query,candidate\n7,q,a\n8,q,b\n9,r,c\n")
    queries = read(path, needs_labels=False, keep_rows=True)
    answers = [Ranked((1, 0), (0.25, 0.5)), Ranked((0,), (-1.0,))]
    with Ranking().writer(tmp_path / "out.csv", source=path) as writer:
        writer.write(queries, answers)
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["7", "8", "9"]
    assert [row["predicted_score"] for row in rows] == ["0.25", "0.5", "-1.0"]
    assert [row["predicted_rank"] for row in rows] == ["2", "1", "1"]


@pytest.mark.parametrize("wrong", ["abc", ["abc"], [("q", [])], [("q", "c")], [("q", [1])]])
def test_what_is_no_query_is_refused(wrong):
    with pytest.raises(ConfigError, match="predict takes"):
        model().predict(wrong)


def test_config_json_round_trips(tmp_path):
    own = model(cutoffs=(1, 5))
    values = json.loads(json.dumps(own.to_config()))
    assert read_task(values, 32, tmp_path) == (own.task, own.learned, own.readout)
