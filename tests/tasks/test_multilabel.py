"""Multilabel: label sets read in every layout, both heads, thresholds, answers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gloze.core.errors import ConfigError, DataError
from gloze.data.collate import collate
from gloze.tasks.learned import Judged, Learned
from gloze.tasks.model import read_task
from gloze.tasks.multilabel import LabelSet, Multilabel, TwoWay, probabilities
from gloze.tasks.multilabel_files import LabelledText
from tests import tiny

HERE = Path("train.tsv")


def read(path, format=None, columns=None, needs_labels=True, **settings):
    reader = Multilabel(**settings).reader(format, columns)
    return list(reader.read(path, needs_labels=needs_labels))


def labels_of(path, *arguments, **settings):
    return [example.labels for example in read(path, *arguments, **settings)]


def test_labels_are_read_separated_listed_and_in_columns_of_their_own(tmp_path):
    tsv = tiny.write(tmp_path / "a.tsv", "text\tlabels\na\tjoy, fear\nb\t\nc\tjoy\n")
    assert labels_of(tsv) == [("joy", "fear"), (), ("joy",)]
    bars = tiny.write(tmp_path / "b.tsv", "text\ttags\na\tx|y,z\n")
    assert labels_of(bars, None, "labels=tags", separator="|") == [("x", "y,z")]
    lists = '{"text":"a","labels":["x",3]}\n{"text":"b","labels":[]}\n'
    assert labels_of(tiny.write(tmp_path / "a.jsonl", lists)) == [("x", "3"), ()]
    flags = tiny.write(tmp_path / "a.csv", "text,joy,fear\na,1,0\nb,0,0\nc,1,1\n")
    found = labels_of(flags, None, "labels=joy|fear")
    assert found == [("joy",), (), ("joy", "fear")]
    bare = tiny.write(tmp_path / "c.tsv", "a\tx\nb\ty\n")
    assert labels_of(bare, None, "text=0,labels=1") == [("x",), ("y",)]


def test_without_need_of_labels_they_are_not_looked_at(tmp_path):
    path = tiny.write(tmp_path / "a.tsv", "text\na\n")
    assert read(path, needs_labels=False)[0].labels is None
    with pytest.raises(DataError, match=r"'labels': no such column.*--columns labels=NAME"):
        read(path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"text":"a","labels":["x","x"]}', "'labels': label 'x' is given twice"),
        ('{"text":"a","labels":"x,,y"}', "a label is empty"),
        ('{"text":"a","labels":["x","y "]}', "a label has spaces around it: 'y '"),
        ('{"text":"a","labels":[" "]}', "a label has spaces around it: ' '"),
        ('{"text":"a","labels":[1.5]}', "a label is a text or a whole number, found 1.5"),
        ('{"text":"a","labels":[["x"]]}', "a label is a text or a whole number"),
        ('{"text":"a","labels":{"x":1}}', "labels are a list or a text"),
        ('{"text":"a","labels":null}', "labels are a list or a text, found None"),
        ('{"text":"a","labels":true}', "labels are a list or a text, found True"),
        ('{"text":"","labels":[]}', "the text is empty"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_with_their_line(tmp_path, row, message):
    path = tiny.write(tmp_path / "a.jsonl", '{"text":"ok","labels":["x"]}\n' + row + "\n")
    with pytest.raises(DataError, match=rf"a\.jsonl:2 column .*{message}"):
        read(path)


def test_columns_of_labels_hold_nothing_but_0_and_1(tmp_path):
    path = tiny.write(tmp_path / "a.csv", "text,x,y\na,1,0\nb,2,0\n")
    with pytest.raises(DataError, match=r"a\.csv:3 column 'x': 0 or 1 is expected, found '2'"):
        read(path, None, "labels=x|y")
    with pytest.raises(DataError, match="column 'z': no such column"):
        read(path, None, "labels=x|z")
    with pytest.raises(ConfigError, match="named twice"):
        read(path, None, "labels=x|x")


def test_unknown_formats_and_roles_name_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'goemotions'"):
        Multilabel().reader("goemotion")
    with pytest.raises(ConfigError, match="Did you mean 'labels'"):
        Multilabel().reader(None, "label=x")


def texts(*sets):
    return [LabelledText("the cat", None, None, None, n, s) for n, s in enumerate(sets, start=2)]


def test_single_examples_and_bare_ones_are_counted(capsys):
    learned = Multilabel().learn(texts(("a", "b"), ("a",), ()), HERE)
    assert learned.labels == ("a", "b")
    said = capsys.readouterr().err
    assert "1 of 2 labels have one example: b." in said
    assert "1 of 3 examples have no label" in said


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ([("a", "b"), ("b", "a")], "every example has a, b: there is nothing to learn"),
        ([(), ()], "every example has no label"),
        ([("a",), ()], "'a' is the only label"),
    ],
)
def test_nothing_to_tell_apart_is_refused(sets, message):
    with pytest.raises(DataError, match=message):
        Multilabel().learn(texts(*sets), HERE)


def test_a_label_that_training_did_not_have_is_refused_with_its_line():
    task = Multilabel()
    learned = task.learn(texts(("joy",), ("fear",), ()), HERE)
    with pytest.raises(DataError, match=r"t\.tsv:3 column 'labels'.*'feer'.*Did you mean 'fear'"):
        task.targets(texts(("joy",), ("feer",)), learned, Path("t.tsv"))


def test_numbers_get_their_names_from_a_file(tmp_path):
    names = tiny.write(tmp_path / "labels.txt", "joy\nfear\nrage\n")
    task = Multilabel(label_names=str(names))
    learned = task.learn(texts(("2",), ("0", "2"), ()), HERE)
    assert learned.labels == ("joy", "rage")
    # The files go on to say numbers, also where the names file is gone.
    names.unlink()
    assert task.targets(texts(("2",)), learned, HERE).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("joy\nfear\n", r"no name of label '2': the file has 2 lines"),
        ("joy\n\nrage\n", r"labels\.txt:2: no name"),
        ("joy\njoy\nrage\n", r"labels\.txt:2: a name again"),
    ],
)
def test_a_file_of_names_that_does_not_fit_is_refused(tmp_path, content, message):
    task = Multilabel(label_names=str(tiny.write(tmp_path / "labels.txt", content)))
    with pytest.raises(DataError, match=message):
        task.learn(texts(("2",), ("0",)), HERE)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 1.5}, "task.threshold is 1.5"),
        ({"separator": ""}, "task.separator is empty"),
        ({"max_length": 4}, "at least 5"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Multilabel(**settings)


def test_a_label_that_holds_the_separator_is_refused():
    with pytest.raises(ConfigError, match=r"'a;b' holds task\.separator ';'"):
        Multilabel(separator=";").learn(texts(("a;b",), ("c",)), HERE)


def model(head="sigmoid", labels=("x", "y", "z"), **settings):
    task = Multilabel(max_length=32, head=head, dropout=0.0, **settings)
    return tiny.task_model(task, Learned(labels=tuple(labels)))


@pytest.mark.parametrize("head", ["sigmoid", "softmax"])
def test_the_loss_is_that_of_each_label_by_itself_summed(head):
    own = model(head)
    rows = texts(("x", "z"), ())
    encoded = own.task.encode(rows, own.tokenizer, own.learned, path=HERE)
    batch = collate(encoded.samples(0, np.arange(2)))
    states = own.encoder(batch)
    loss = own.head(states, batch).loss.item()
    pooled = own.encoder.pooler(states[-1], batch)
    scores = F.linear(pooled, own.head.output.weight, own.head.output.bias)
    wanted = torch.tensor([[1, 0, 1], [0, 0, 0]])
    if head == "softmax":
        two_way = scores.unflatten(-1, (3, 2))
        by_hand = F.cross_entropy(two_way.flatten(0, 1), wanted.flatten(), reduction="sum")
    else:
        right = torch.where(wanted > 0, scores.sigmoid(), 1 - scores.sigmoid())
        by_hand = -right.log().sum()
    assert loss == pytest.approx(by_hand.item(), rel=1e-5)


def test_the_odds_of_two_scores_are_their_softmax():
    torch.manual_seed(0)
    output = TwoWay(8, 3)
    x = torch.randn(5, 8)
    two_way = F.linear(x, output.weight, output.bias).unflatten(-1, (3, 2)).softmax(-1)
    assert torch.allclose(output(x).sigmoid(), two_way[..., 1], atol=1e-6)
    assert output.weight.shape == (6, 8)


@pytest.mark.parametrize("head", ["sigmoid", "softmax"])
def test_a_training_begins_with_the_shares_of_the_labels(head):
    task = Multilabel(max_length=32, head=head, dropout=0.0)
    learned = task.learn(texts(("x", "y"), ("y",), ("y",), ("y",)), HERE)
    own = tiny.task_model(task, learned)
    with torch.no_grad():
        own.head.output.weight.zero_()
    [answer] = own.predict(["the cat"])
    assert answer.probabilities == pytest.approx({"x": 0.25, "y": 1 - 1e-4}, rel=1e-4)
    assert "rates" not in task.settle(own.head, learned).values


def judged(own, rows, odds):
    return Judged(
        examples=rows,
        encoded=None,
        learned=own.learned,
        head=own.head,
        rows=np.array(odds, dtype=np.float32),
    )


def test_a_label_is_said_from_its_threshold_on():
    own = model()
    own.learned = own.learned.with_values(thresholds=[0.5, 0.9, 0.1])
    [answer] = own.task.answers(judged(own, texts(()), [[0.0, 2.0, -2.0]]))
    assert answer.labels == ("x", "z")
    assert list(answer.probabilities.values()) == pytest.approx([0.5, 0.8808, 0.1192], abs=1e-4)
    assert own.task.row(None, answer)["predicted_labels"] == "x,z"
    assert list(own.task.tally(LabelSet((), {}))) == ["(none)"]


def test_probabilities_of_far_scores_neither_overflow_nor_warn():
    own = model()
    found = probabilities(judged(own, texts(()), [[-1e4, 1e4, 0.0]]))
    assert found.tolist() == [[0.0, 1.0, 0.5]]


# At 0.75 one of two labels is said (F1 2 / 3), at 0.25 both and nothing else (F1 4 / 5).
DEV = np.array([[0.8, 0.1], [0.7, 0.1], [0.1, 0.4], [0.1, 0.1]])


@pytest.mark.parametrize(
    ("threshold", "wanted", "f1"),
    [("tune", [0.25, 0.25], 0.8), ("tune_each", [0.75, 0.25], 1.0)],
)
def test_thresholds_are_chosen_on_dev_if_asked_for(threshold, wanted, f1):
    own = model(labels=("x", "y"), threshold=threshold)
    odds, rows = np.log(DEV / (1 - DEV)), texts(("x",), (), ("y",), ())
    own.learned = own.task.tune(judged(own, rows, odds), HERE)
    assert own.learned.values["thresholds"] == pytest.approx(wanted, abs=1e-6)
    figures = own.task.figures(judged(own, rows, odds), HERE)
    assert figures["micro_f1"] == pytest.approx(f1)
    assert figures["by_label"]["y"]["support"] == 1


@pytest.mark.parametrize(("metric", "said"), [("micro_f1", 0), ("macro_f1", 4)])
def test_thresholds_are_best_for_the_metric_that_is_named(metric, said):
    own = model(labels="xy", threshold="tune_each", metric=metric)
    # To say y at all is to say it four times for one: macro F1 gains, micro F1 loses.
    shares = np.array([[0.9, 0.6], [0.9, 0.6], [0.9, 0.6], [0.9, 0.4], [0.1, 0.1]])
    odds, rows = np.log(shares / (1 - shares)), texts(("x",), ("x",), ("x",), ("x", "y"), ())
    own.learned = own.task.tune(judged(own, rows, odds), HERE)
    answers = own.task.answers(judged(own, rows, odds))
    assert sum("y" in answer.labels for answer in answers) == said
    assert sum("x" in answer.labels for answer in answers) == 4


def test_a_given_threshold_is_left_alone():
    own = model(threshold=0.3)
    assert not own.task.is_tuned
    assert own.task.tune(judged(own, texts(()), [[0.0, 0.0, 0.0]]), HERE) == own.learned


def test_config_json_round_trips_and_hugging_faces_is_read(tmp_path):
    for head in ("sigmoid", "softmax"):
        own = model(head)
        values = json.loads(json.dumps(own.to_config()))
        assert read_task(values, 32, tmp_path) == (own.task, own.learned, own.readout)
        assert (values.get("problem_type") is None) == (head == "softmax")
    theirs = {
        "architectures": ["BertForSequenceClassification"],
        "problem_type": "multi_label_classification",
        "id2label": {"0": "a", "1": "b"},
    }
    task, learned, _ = read_task(theirs, 32, tmp_path)
    assert task == Multilabel(max_length=32, pooling="pooler", metric="micro_f1")
    assert learned == Learned(labels=("a", "b"))


def test_the_files_of_go_emotions_are_read_as_they_are(shared_data):
    folder = shared_data / "go-emotions"
    task = Multilabel(label_names=str(folder / "labels.txt"))
    train = read(folder / "train.tsv.gz", "goemotions")
    learned = task.learn(train, folder / "train.tsv.gz")
    assert (len(train), len(learned.labels)) == (18000, 28)
    assert (learned.labels[0], learned.labels[27]) == ("admiration", "neutral")
    assert train[0].labels == ("2",)
    assert len(read(folder / "test.tsv.gz", "goemotions")) == 5427
