"""Regression, multilabel, choice and ranking from file to file: learned, saved, asked, judged."""

import csv
import hashlib
import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from gloze import cli
from gloze.checkpoint import load_task
from gloze.core.errors import ConfigError, DataError
from gloze.core.manifest import sha256
from gloze.verbs.evaluate import evaluate
from gloze.verbs.finetune import finetune
from gloze.verbs.predict import predict
from tests import tiny
from tests.verbs import labelled

ANIMAL, PERSON = labelled.TEXTS["animal"], labelled.TEXTS["person"]


def regression(draw, text, label):
    return {"text": text, "label": {"animal": 120.5, "person": 480.0}[label]}


def multilabel(draw, text, label):
    return {"text": text, "labels": [label, *(["bread"] if "bread" in text else [])]}


def choice(draw, text, label):
    count, right = int(draw.integers(2, 5)), str(draw.choice(ANIMAL))
    gold = int(draw.integers(count))
    wrong = [f"{PERSON[n % 2]} sees {n}" for n in range(count)]
    options = [f"{right} sees 9" if n == gold else wrong[n] for n in range(count)]
    return {"context": text, "question": "who", "options": options, "label": gold}


def ranking(draw, text, label):
    candidates = [str(draw.choice(ANIMAL if n in (1, 3) else PERSON)) for n in range(5)]
    return {"query": text, "candidates": candidates, "relevance": [0, 1, 0, 2, 0]}


MAKERS = {
    "regression": (regression, "pearson", 0.9),
    "multilabel": (multilabel, "micro_f1", 0.9),
    "choice": (choice, "accuracy", 0.8),
    "ranking": (ranking, "map", 0.9),
}
SETTINGS = {"multilabel": ["task.threshold=tune_each"], "ranking": ["task.loss=pairwise"]}


def write(kind: str, path: Path, count: int, seed: int) -> Path:
    draw = np.random.default_rng(seed)
    make = MAKERS[kind][0]
    rows = [
        {**make(draw, text, label), "n": n}
        for n, (text, label) in enumerate(labelled.rows(count, seed))
    ]
    return tiny.write(path, "".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return labelled.model_folder(tmp_path_factory.mktemp("model") / "model")


def run(kind, model, folder, output="run", settings=()):
    return finetune(
        kind,
        model=model,
        train=write(kind, folder / "train.jsonl", 96, 1),
        dev=write(kind, folder / "dev.jsonl", 24, 2),
        output=folder / output,
        settings=[
            *labelled.FAST,
            "training.epochs=6",
            "training.learning_rate=5e-3",
            *SETTINGS.get(kind, ()),
            *settings,
        ],
    )


@pytest.fixture(scope="module")
def learned(model, tmp_path_factory):
    """Train a task when it is first asked for."""
    return lru_cache(lambda kind: run(kind, model, tmp_path_factory.mktemp(kind)))


@pytest.fixture(params=MAKERS)
def tuned(request, learned):
    return learned(request.param)


def test_a_rule_is_learned_and_told_in_the_results(tuned):
    _, metric, least = MAKERS[tuned.task]
    assert tuned.best.figures["dev"][metric] > least
    saved = json.loads((tuned.path / "results.json").read_text())
    assert saved["dev"][metric]["values"] == [tuned.best.figures["dev"][metric]]
    assert metric in str(tuned)


def test_the_saved_model_gives_the_same_figures_on_the_same_file(tuned):
    path = tuned.path.parent / "dev.jsonl"
    figures = evaluate(tuned.path, path).figures["-"]
    assert json.loads(json.dumps(figures)) == json.loads(json.dumps(tuned.best.figures["dev"]))


def test_answers_keep_the_inputs_columns_and_agree_with_python(tuned, tmp_path):
    path = tuned.path.parent / "dev.jsonl"
    predict(tuned.path, path, output=tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    inputs = [json.loads(line) for line in path.read_text().splitlines()]
    task = tuned.task
    if task == "ranking":
        assert [row["n"] for row in rows] == [n for n in range(24) for _ in range(5)]
        answers = tuned.predict([(row["query"], row["candidates"]) for row in inputs])
        scores = [score for answer in answers for score in answer.scores]
        assert [row["predicted_score"] for row in rows] == pytest.approx(scores, abs=1e-4)
        firsts = [row["n"] for row in rows if row["predicted_rank"] == 1]
        assert firsts == list(range(24))
        return
    assert [row["n"] for row in rows] == list(range(24))
    assert all(row.items() >= given.items() for row, given in zip(rows, inputs, strict=True))
    if task == "choice":
        asked = [(row["context"], row["question"], row["options"]) for row in inputs]
        answers = [answer.option for answer in tuned.predict(asked)]
        assert [row["predicted_option"] for row in rows] == answers
        assert all(
            row["options"][row["predicted_number"]] == row["predicted_option"] for row in rows
        )
    elif task == "multilabel":
        answers = [",".join(a.labels) for a in tuned.predict([row["text"] for row in inputs])]
        assert [row["predicted_labels"] for row in rows] == answers
    else:
        answers = tuned.predict([row["text"] for row in inputs])
        assert [row["predicted_score"] for row in rows] == pytest.approx(answers, abs=1e-3)


@pytest.mark.parametrize("suffix", ["tsv", "csv", "parquet"])
def test_answers_are_written_in_every_kind_of_table(tuned, tmp_path, suffix):
    path = tuned.path.parent / "dev.jsonl"
    predict(tuned.path, path, output=tmp_path / f"out.{suffix}")
    if suffix == "csv":
        with (tmp_path / "out.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == (120 if tuned.task == "ranking" else 24)


def test_a_note_on_the_figures_is_told_wherever_they_are(learned, tmp_path):
    ranked = learned("ranking")
    row = {"query": "the cat", "candidates": ["a small dog", "my sister"], "relevance": [1, 1]}
    path = tmp_path / "dev.jsonl"
    path.write_text((ranked.path.parent / "dev.jsonl").read_text() + json.dumps(row) + "\n")
    told = evaluate(ranked.path, path)
    assert "25 of 25 queries judged (raw): 0 have no relevant candidate, 1 no irr" in str(told)
    assert "queries judged" not in str(ranked)


def test_the_command_line_does_the_same(tuned, tmp_path, capsys):
    path = tuned.path.parent / "dev.jsonl"
    assert cli.main(["evaluate", str(tuned.path), "--data", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    metric = MAKERS[tuned.task][1]
    assert told[metric]["values"] == [pytest.approx(tuned.best.figures["dev"][metric])]
    words = ["predict", str(tuned.path), "--data", str(path), "-o", str(tmp_path / "out.tsv")]
    assert cli.main(words) == 0


def asked(kind, row):
    """Return an example as Python is asked, and its sequences as pairs of texts."""
    if kind == "choice":
        options = [f"{row['question']} {option}" for option in row["options"]]
        return (row["context"], row["question"], row["options"]), row["context"], options
    if kind == "ranking":
        return (row["query"], row["candidates"]), row["query"], row["candidates"]
    return row["text"], row["text"], None


def numbers(kind, answer):
    """Return the numbers of an answer as the logits of the class of transformers give them."""
    if kind == "regression":
        return [answer]
    if kind == "ranking":
        return list(answer.scores)
    shares = np.array(
        answer.probabilities if kind == "choice" else list(answer.probabilities.values())
    )
    return np.log(shares) if kind == "choice" else np.log(shares / (1 - shares))


def test_transformers_computes_the_same_from_our_folder(tuned):
    transformers = pytest.importorskip("transformers")
    kind = tuned.task
    [name] = json.loads((tuned.model / "config.json").read_text())["architectures"]
    assert name == (
        "BertForMultipleChoice" if kind == "choice" else "BertForSequenceClassification"
    )
    theirs, info = getattr(transformers, name).from_pretrained(
        tuned.model, output_loading_info=True
    )
    assert not info["missing_keys"] | info["unexpected_keys"]
    tokenize = transformers.AutoTokenizer.from_pretrained(tuned.model)
    path = tuned.path.parent / "dev.jsonl"
    for line in path.read_text().splitlines()[:4]:
        ours, first, second = asked(kind, json.loads(line))
        firsts = [first] * (1 if second is None else len(second))
        inputs = tokenize(firsts, second, return_tensors="pt", padding=True)
        if kind == "choice":
            inputs = {key: value[None] for key, value in inputs.items()}
        with torch.no_grad():
            logits = theirs.eval()(**inputs).logits.flatten()
        if kind == "choice":
            logits = logits.log_softmax(0)
        wanted = numbers(kind, tuned.predict([ours])[0])
        assert logits.numpy() == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_the_model_card_and_the_page_name_the_task(tuned):
    assert tuned.task in (tuned.model / "README.md").read_text()
    page = (tuned.path / "report.html").read_text()
    assert MAKERS[tuned.task][1] in page
    assert ("By label on dev" in page) == (tuned.task == "multilabel")
    assert ("By options on dev" in page) == (tuned.task == "choice")


@pytest.mark.parametrize("kind", ["regression", "ranking"])
def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(kind, model, tmp_path):
    found = []
    for number, workers in enumerate((0, 2)):
        settings = ["training.epochs=2", f"training.loader_workers={workers}"]
        result = run(kind, model, tmp_path, f"run-{number}", [*settings, "task.dropout=0.2"])
        found.append(hashlib.sha256((result.model / "model.safetensors").read_bytes()).hexdigest())
    assert found[0] == found[1]


def test_numbers_of_any_scale_are_answered_on_the_scale_of_the_file(learned):
    tuned = learned("regression")
    animal, person = tuned.predict(["the cat sees warm bread.", "my sister sees warm bread."])
    assert animal == pytest.approx(120.5, abs=60)
    assert person == pytest.approx(480.0, abs=60)
    assert load_task(tuned.model).learned.values == {"range": [120.5, 480.0]}


def test_thresholds_are_saved_with_the_model(learned):
    saved = load_task(learned("multilabel").model).learned
    assert saved.labels == ("animal", "bread", "person")
    assert len(saved.values["thresholds"]) == 3
    assert saved.values["thresholds"] != [0.5] * 3


def test_a_softmax_a_label_learns_as_well(model, tmp_path):
    tuned = run("multilabel", model, tmp_path, settings=["task.head=softmax"])
    assert tuned.best.figures["dev"]["micro_f1"] > 0.9
    assert len(load_task(tuned.model).head.output.weight) == 6


def test_a_run_does_not_go_on_with_other_names_of_labels(model, tmp_path):
    names = tmp_path / "labels.txt"
    names.write_text("no\nyes\n")
    (tmp_path / "train.tsv").write_text("text\tlabels\nthe cat\t0\nmy sister\t1\n")

    def tuned(**options):
        return finetune(
            "multilabel",
            model=model,
            train=tmp_path / "train.tsv",
            output=tmp_path / "run",
            settings=[*labelled.FAST, f"task.label_names={names}"],
            **options,
        )

    assert tuned().labels == ["no", "yes"]
    noted = json.loads((tmp_path / "run" / "data.json").read_text())
    assert noted["label_names"]["sha256"] == sha256(names)
    tuned(resume=True)
    names.write_text("yes\nno\n")
    with pytest.raises(DataError, match=r"labels\.txt: not the label_names this run began with"):
        tuned(resume=True)


def test_thresholds_are_not_tuned_without_dev(model, tmp_path):
    with pytest.raises(ConfigError, match="to be tuned on a --dev file, and none is given"):
        finetune(
            "multilabel",
            model=model,
            train=write("multilabel", tmp_path / "train.jsonl", 8, 1),
            output=tmp_path / "run",
            settings=[*labelled.FAST, "task.threshold=tune"],
        )


@pytest.mark.parametrize("transfer", ["frozen", "none"])
@pytest.mark.parametrize("kind", MAKERS)
def test_every_way_of_transfer_runs(kind, transfer, model, tmp_path):
    result = finetune(
        kind,
        model=model,
        train=write(kind, tmp_path / "train.jsonl", 24, 1),
        dev=write(kind, tmp_path / "dev.jsonl", 8, 2),
        output=tmp_path / "run",
        transfer=transfer,
        settings=[*labelled.FAST, "training.epochs=1"],
    )
    assert result.best.figures["dev"]["examples"] == 8
    assert load_task(result.model).task.pooling == ("mean" if transfer == "frozen" else "pooler")


BAD = {
    "regression": ({"text": "a", "label": "high"}, "a finite number is expected, found 'high'"),
    "multilabel": ({"text": "a", "labels": ["new"]}, "unknown label 'new'"),
    "choice": (
        {"context": "a", "question": "b", "options": ["c", "d"], "label": "e"},
        "'e' names none of the 2 options",
    ),
    "ranking": (
        {"query": "a", "candidates": ["b"], "relevance": [-1]},
        "relevance is at least 0, found -1",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_examples_stop_before_training_and_leave_nothing(kind, model, tmp_path):
    row, message = BAD[kind]
    dev = write(kind, tmp_path / "dev.jsonl", 4, 2)
    with dev.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=rf"dev\.jsonl:5 .*{message}"):
        finetune(
            kind,
            model=model,
            train=write(kind, tmp_path / "train.jsonl", 8, 1),
            dev=dev,
            output=tmp_path / "run",
            settings=labelled.FAST,
        )
    assert not (tmp_path / "run").exists()
