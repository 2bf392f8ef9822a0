"""Regression: numbers read, learned on any scale, answered on the file's."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gloze.core.errors import ConfigError, DataError
from gloze.data.collate import collate
from gloze.tasks.classification import Classification
from gloze.tasks.examples import Example
from gloze.tasks.learned import Learned
from gloze.tasks.model import read_task
from gloze.tasks.regression import Regression
from tests import tiny

HERE = Path("train.tsv")
TEXTS = [("the cat", "0.5"), ("a long river", "2.5"), ("warm bread the red house", "6")]


def examples(*rows):
    return [Example(text, None, label, None, n) for n, (text, label) in enumerate(rows, start=2)]


def read(path, format=None, columns=None, **how):
    return list(Regression().reader(format, columns).read(path, **how))


def test_numbers_are_read_from_every_kind_of_table(tmp_path):
    tsv = tiny.write(tmp_path / "a.tsv", "text\tlabel\na\t1.5\nb\t-2e3\n")
    assert [e.label for e in read(tsv)] == ["1.5", "-2000.0"]
    lines = tiny.write(tmp_path / "a.jsonl", '{"a":"x","b":"y","grade":3}\n')
    [pair] = read(lines, columns="text_a=a,text_b=b,label=grade")
    assert (pair.text_a, pair.text_b, pair.label) == ("x", "y", "3.0")


@pytest.mark.parametrize(
    "label", ["good", "nan", "inf", "-Infinity", "1e999", "1e39", "1_000", "1,5"]
)
def test_what_is_no_finite_number_is_refused_with_its_place(tmp_path, label):
    path = tiny.write(tmp_path / "a.tsv", f"text\tlabel\na\t1\nb\t{label}\n")
    with pytest.raises(DataError, match=r"a\.tsv:3 column 'label': a finite number is expected"):
        read(path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"text":"a","label":true}', "a finite number is expected, found True"),
        ('{"text":"a","label":[1]}', r"a finite number is expected, found \[1\]"),
        ('{"text":"a","label":null}', "no label in this row"),
        ('{"text":"a"}', "no such column"),
    ],
)
def test_labels_of_other_types_are_refused(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        read(tiny.write(tmp_path / "a.jsonl", row + "\n"))


@pytest.mark.parametrize(
    ("file", "count", "first"),
    [
        ("train.tsv.gz", 5749, "5.0"),
        ("dev.tsv", 1500, "5.0"),
        ("test.tsv", 1379, None),
        ("sts-test-gold.tsv", 1379, "2.5"),
    ],
)
def test_the_files_of_sts_b_are_read_as_they_are(shared_data, file, count, first):
    found = read(shared_data / "sts-b" / file, "stsb", needs_labels=first is not None)
    assert (len(found), found[0].label) == (count, first)
    assert all(example.text_b for example in found)
    assert Regression().reader("stsb").metric == "spearman"


def test_the_gold_file_and_the_test_file_hold_the_same_pairs(shared_data):
    gold = read(shared_data / "sts-b" / "sts-test-gold.tsv", "stsb")
    test = read(shared_data / "sts-b" / "test.tsv", "stsb", needs_labels=False)
    same = [a.text_a.strip() == b.text_a.strip() for a, b in zip(gold, test, strict=True)]
    assert np.mean(same) > 0.99


def test_classification_still_refuses_scores():
    with pytest.raises(ConfigError, match="that is the regression task"):
        Classification().reader("stsb")


def test_equal_numbers_are_nothing_to_learn():
    with pytest.raises(DataError, match=r"train\.tsv: every example has the number 3"):
        Regression().learn(examples(("a", "3"), ("b", "3.0")), HERE)


@pytest.mark.parametrize("labels", [("100000000", "100000000.5"), ("1e-45", "9e-45")])
def test_numbers_that_32_bits_do_not_tell_apart_are_refused(labels):
    with pytest.raises(DataError, match=r"train\.tsv: the numbers, .* lie too close for 32 bits"):
        Regression().learn(examples(*zip("ab", labels, strict=True)), HERE)
    Regression().learn(examples(("a", "1900"), ("b", "1901")), HERE)


@pytest.mark.parametrize(
    ("setting", "metric", "found"),
    [("auto", None, "pearson"), ("auto", "spearman", "spearman"), ("r2", "spearman", "r2")],
)
def test_the_metric_is_the_formats_unless_named(setting, metric, found):
    assert Regression(metric=setting).resolve(is_plain=True, metric=metric).metric == found


def batch_of(model, rows):
    encoded = model.task.encode(examples(*rows), model.tokenizer, model.learned, path=HERE)
    return collate(encoded.samples(0, np.arange(len(rows))))


def trained(scale=1.0):
    rows = [(text, repr(float(label) * scale)) for text, label in TEXTS]
    learned = Regression().learn(examples(*rows), HERE)
    return tiny.task_model(Regression(max_length=32), learned), rows


def test_the_loss_is_the_squared_error_in_deviations():
    model, rows = trained()
    batch = batch_of(model, rows)
    states = model.encoder(batch)
    numbers = np.array([0.5, 2.5, 6.0])
    with torch.no_grad():
        mark = model.head(states, batch)
        answers = model.head.scores(states, batch)[:, 0].numpy()
    wanted = (((answers - numbers) / numbers.std()) ** 2).sum()
    assert mark.loss.item() == pytest.approx(wanted, rel=1e-4)


def test_what_is_learned_does_not_depend_on_the_scale():
    gradients = []
    for scale in (1.0, 1e5):
        model, rows = trained(scale)
        batch = batch_of(model, rows)
        model.head(model.encoder(batch), batch).loss.backward()
        gradients.append(model.head.output.weight.grad)
    assert torch.allclose(*gradients, rtol=1e-3)


def test_a_settled_head_answers_the_same_from_its_weights_alone():
    model, rows = trained(100.0)
    texts = [text for text, _ in rows]
    torch.nn.init.constant_(model.head.output.bias, 0.25)
    before = model.predict(texts)
    model.learned = model.task.settle(model.head, model.learned)
    assert model.predict(texts) == pytest.approx(before, rel=1e-4)
    other = tiny.task_model(model.task, model.learned)
    other.head.load_state_dict(model.head.state_dict())
    assert other.predict(texts) == pytest.approx(before, rel=1e-4)
    assert abs(np.mean(before) - 300) < 100


def test_answers_can_be_kept_to_the_range_of_training():
    learned = Learned(values={"range": [0.0, 0.001]})
    free = tiny.task_model(Regression(max_length=32), learned)
    kept = tiny.task_model(Regression(max_length=32, clip=True), learned)
    texts = ["the cat", "a long river", "warm bread"]
    assert kept.predict(texts) == [min(max(x, 0.0), 0.001) for x in free.predict(texts)]
    assert kept.predict(texts) != free.predict(texts)


def test_figures_are_of_the_answers_and_a_constant_is_noted():
    model, rows = trained()
    figures = model.figures(examples(*rows), HERE)
    assert figures["examples"] == 3
    assert figures["loss"] == figures["mean_squared_error"]
    with torch.no_grad():
        model.head.output.weight.zero_()
    found = model.figures(examples(*rows), HERE)
    assert (found["pearson"], found["is_constant"]) == (0, True)
    assert found["note"] == "All answers or all labels are one number: correlations count 0."
    assert "note" not in figures


def test_config_json_round_trips_and_hugging_faces_is_read(tmp_path):
    model, _ = trained()
    values = json.loads(json.dumps(model.to_config()))
    assert values["problem_type"] == "regression"
    assert read_task(values, 32, tmp_path) == (model.task, model.learned, model.readout)
    theirs = {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}}
    task, learned, _ = read_task(theirs, 32, tmp_path)
    assert task == Regression(max_length=32, pooling="pooler", metric="pearson")
    assert learned == Learned()


def test_a_submission_to_glue_has_three_decimals(tmp_path):
    with Regression().writer(tmp_path / "STS-B.tsv", "glue", source=HERE) as writer:
        writer.write(examples(*TEXTS), [0.12345, 2.0, 5.0])
    with (tmp_path / "STS-B.tsv").open() as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert rows == [["index", "prediction"], ["0", "0.123"], ["1", "2.000"], ["2", "5.000"]]
