"""Extractive question answering from files to answers, figures and predictions."""

import json

import numpy as np
import pytest

from gloze import cli
from gloze.checkpoint import load_task
from gloze.core.errors import ConfigError, DataError
from gloze.verbs.evaluate import evaluate
from gloze.verbs.finetune import finetune
from gloze.verbs.predict import predict
from tests import small
from tests.verbs import labelled

FAST = (
    *labelled.FAST,
    "training.epochs=8",
    "task.max_question=8",
    "task.stride=12",
    "task.max_answer=4",
)
SUBJECTS = {"who sees": "sees", "who likes": "likes", "who paints": "paints"}


def squad(path, count, seed, *, with_none=False):
    """Write questions whose answer is the subject before the verb they name."""
    draw = np.random.default_rng(seed)
    paragraphs = []
    for number in range(count):
        verbs = draw.permutation(list(SUBJECTS.values()))[:2]
        who = draw.permutation(small.SUBJECTS)[:2]
        sentences = [
            f"{w} {v} {draw.choice(small.OBJECTS)}." for w, v in zip(who, verbs, strict=True)
        ]
        context = " ".join(sentences)
        has_none = with_none and number % 2
        missing = next(v for v in SUBJECTS.values() if v not in verbs)
        start = context.find(f"{who[1]} {verbs[1]}")
        answers = [] if has_none else [{"text": str(who[1]), "answer_start": start}]
        asked = f"who {missing if has_none else verbs[1]}"
        qa = {"id": f"q{number}", "question": asked, "answers": answers}
        qas = [{**qa, "is_impossible": bool(has_none)}] if with_none else [qa]
        paragraphs.append({"context": context, "qas": qas})
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("span")
    labelled.model_folder(folder / "model")
    for name, with_none in (("v1", False), ("v2", True)):
        squad(folder / f"train-{name}.json", 100, 1, with_none=with_none)
        squad(folder / f"dev-{name}.json", 20, 2, with_none=with_none)
    return folder


def run(data, name, output):
    return finetune(
        "span",
        model=data / "model",
        train=data / f"train-{name}.json",
        dev=data / f"dev-{name}.json",
        output=output,
        settings=list(FAST),
    )


@pytest.fixture(scope="module")
def tuned(data, tmp_path_factory):
    return run(data, "v1", tmp_path_factory.mktemp("tuned") / "v1")


@pytest.fixture(scope="module")
def tuned_2(data, tmp_path_factory):
    return run(data, "v2", tmp_path_factory.mktemp("tuned") / "v2")


def test_answers_are_learned_and_given_from_python(tuned):
    assert tuned.best.figures["dev"]["f1"] > 0.8
    text = "my sister sees the red house. the cat paints warm bread."
    (answer,) = tuned.predict([("who paints", text)])
    assert text[answer.start : answer.end] == answer.text == answer.n_best[0].text
    assert 0 < answer.probability <= 1
    assert tuned.predict([]) == []


def test_predictions_of_squad_are_judged_as_the_run_is(tuned, data, tmp_path):
    path, dev = tmp_path / "predictions.json", data / "dev-v1.json"
    predict(tuned.path, dev, output=path)
    said = json.loads(path.read_text())
    assert list(said) == [f"q{number}" for number in range(20)]
    n_best = json.loads((tmp_path / "nbest_predictions.json").read_text())
    assert [each[0]["text"] for each in n_best.values()] == list(said.values())
    assert not (tmp_path / "null_odds_predictions.json").exists()
    judged, own = evaluate(path, dev), evaluate(tuned.path, dev)
    for name in ("exact", "f1"):
        assert judged.figures["-"][name] == own.figures["-"][name]
    assert own.figures["-"] == tuned.best.figures["dev"]
    assert "20 questions, by the rules of squad" in str(judged)


def test_no_answer_is_learned_and_its_threshold_tuned_and_kept(tuned_2, data, tmp_path):
    figures = tuned_2.best.figures["dev"]
    assert figures["f1"] == figures["best_f1"] >= 0.5
    assert figures["HasAns_total"] == figures["NoAns_total"] == 10
    model = load_task(tuned_2.model)
    threshold = model.learned.values["null_threshold"]
    path = tmp_path / "predictions.json"
    summary = predict(tuned_2.path, data / "dev-v2.json", output=path)
    said = json.loads(path.read_text())
    odds = json.loads((tmp_path / "null_odds_predictions.json").read_text())
    assert {i: not text for i, text in said.items()} == {i: o > threshold for i, o in odds.items()}
    assert summary.answers.get("no answer", 0) == sum(not text for text in said.values())
    judged = evaluate(
        path,
        data / "dev-v2.json",
        null_odds=tmp_path / "null_odds_predictions.json",
        null_threshold=threshold,
    )
    assert judged.figures["-"]["f1"] == figures["f1"]
    assert judged.figures["-"]["best_exact"] >= judged.figures["-"]["exact"]


def test_tables_of_answers_keep_the_columns_of_questions(tuned_2, tmp_path):
    row = {"question": "who sees", "context": "the cat sees the red house.", "extra": 7}
    (tmp_path / "new.jsonl").write_text(json.dumps(row) + "\n")
    predict(tuned_2.path, tmp_path / "new.jsonl", output=tmp_path / "said.jsonl")
    said = json.loads((tmp_path / "said.jsonl").read_text())
    assert {name: said[name] for name in row} == row
    assert set(said) - set(row) == {
        "predicted_answer", "predicted_start", "predicted_end", "probability", "null_odds",
    }  # fmt: skip


def test_files_that_exist_are_not_replaced(tuned, data, tmp_path):
    (tmp_path / "nbest_predictions.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"nbest_predictions\.json"):
        predict(tuned.path, data / "dev-v1.json", output=tmp_path / "predictions.json")
    assert not (tmp_path / "predictions.json").exists()
    with pytest.raises(ConfigError, match=r"predictions must end in \.json"):
        predict(tuned.path, data / "dev-v1.json", output=tmp_path / "p.tsv", to="squad")


def test_no_null_odds_of_other_answers_are_left_beside_new_ones(tuned, tuned_2, data, tmp_path):
    path, odds = tmp_path / "predictions.json", tmp_path / "null_odds_predictions.json"
    predict(tuned_2.path, data / "dev-v2.json", output=path)
    assert odds.exists()
    predict(tuned.path, data / "dev-v1.json", output=path, force=True)
    assert path.exists()
    assert not odds.exists()


def test_predictions_that_are_none_are_refused(data, tmp_path):
    path = tmp_path / "predictions.json"
    for value, message in (
        ([], "there is nothing in it"),
        ([{"q0": "a"}, {}], "one object is expected"),
        ({"q0": 3}, "question 'q0': the text of an answer is expected, found int 3"),
    ):
        path.write_text(json.dumps(value))
        with pytest.raises(DataError, match=message):
            evaluate(path, data / "dev-v1.json")
    path.write_text('{"q0": ""}')
    odds = tmp_path / "odds.json"
    odds.write_text('{"q0": true}')
    with pytest.raises(DataError, match="question 'q0': a number is expected, found bool True"):
        evaluate(path, data / "dev-v2.json", null_odds=odds)
    for number in ("1" + "0" * 400, "1e999", "-1e999"):
        odds.write_text(f'{{"q0": {number}}}')
        with pytest.raises(
            DataError, match=r"odds\.json: question 'q0': a finite number is expect"
        ):
            evaluate(path, data / "dev-v2.json", null_odds=odds)
    odds.write_text('{"q0": 1}')
    with pytest.raises(DataError, match=r"odds\.json: there is no number for question 'q1'"):
        evaluate(path, data / "dev-v2.json", null_odds=odds)
    with pytest.raises(ConfigError, match="--null-threshold is about the numbers in --null-odds"):
        evaluate(path, data / "dev-v2.json", null_threshold=0.5)
    with pytest.raises(ConfigError, match="--null-odds goes with a file of answers"):
        evaluate(data / "model", data / "dev-v2.json", null_odds=odds)


def test_runs_are_compared_question_by_question(tuned, tuned_2, data):
    result = evaluate(tuned.path, data / "dev-v1.json", against=tuned_2.path)
    difference = result.against.seeds["f1"].mean
    assert (
        difference
        == result.figures["-"]["f1"]
        - evaluate(tuned_2.path, data / "dev-v1.json").figures["-"]["f1"]
    )
    assert difference > 0.3
    assert result.against.examples < 0.05


def test_published_predictions_are_judged_on_the_command_line(shared_data, capsys):
    folder = shared_data / "xquad"
    predictions = folder / "predictions-logistic-regression.json"
    assert cli.main(["evaluate", str(predictions), "--data", str(folder / "xquad.en.json.gz")]) == 0
    shown = capsys.readouterr().out
    assert "2 questions have no answer there: counted as wrong." in shown
    assert "exact   0.34538" in shown
    assert "f1      0.45852" in shown
