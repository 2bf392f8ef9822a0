"""Two runs on the same examples: what the tests say, and what cannot be compared."""

import json
import shutil

import numpy as np
import pytest

from gloze import cli
from gloze.checkpoint import load_task
from gloze.core.errors import ConfigError, DataError
from gloze.core.manifest import write_manifest
from gloze.metrics.significance import mcnemar
from gloze.verbs.evaluate import evaluate
from gloze.verbs.finetune import finetune
from tests.verbs import labelled
from tests.verbs.test_span import squad
from tests.verbs.test_transfer import run


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    labelled.model_folder(folder / "model")
    labelled.write_tsv(folder / "train.tsv", 64, seed=1)
    labelled.write_tsv(folder / "dev.tsv", 60, seed=2)
    run(folder, folder / "good", dev=None, seeds=2, settings=["training.epochs=8"])
    run(folder, folder / "bad", dev=None, seeds=2, settings=["training.learning_rate=1e-5"])
    return folder


def test_a_run_that_learned_differs_from_one_that_did_not(data, capsys):
    found = evaluate(data / "good", data / "dev.tsv", against=data / "bad")
    bad = evaluate(data / "bad", data / "dev.tsv")
    against = found.against
    assert against.pairs == 2
    differences = [found.figures[s]["accuracy"] - bad.figures[s]["accuracy"] for s in "01"]
    assert against.seeds["accuracy"].mean == pytest.approx(np.mean(differences))
    assert against.seeds["accuracy"].mean > 0.2
    # Two pairs cannot say more; sixty examples can.
    assert against.seeds["accuracy"].permutation == 0.5
    assert against.examples == 1 / 1001
    assert against.mcnemar is None
    words = ["evaluate", str(data / "good"), "--data", str(data / "dev.tsv"), "--json"]
    assert cli.main([*words, "--against", str(data / "bad")]) == 0
    said = json.loads(capsys.readouterr().out)["against"]
    assert said["examples"] == against.examples
    assert said["seeds"]["accuracy"]["t_test"] == against.seeds["accuracy"].t_test


def test_one_model_each_is_also_told_apart_by_mcnemar(data):
    one, other = (data / name / "seed-0" for name in ("good", "bad"))
    found = evaluate(one, data / "dev.tsv", against=other)
    texts, labels = zip(*labelled.rows(60, seed=2), strict=True)
    right = []
    for folder in (one, other):
        answers = load_task(folder).predict(texts)
        pairs = zip(answers, labels, strict=True)
        right.append(np.array([answer.label == label for answer, label in pairs]))
    assert found.against.pairs == 1
    assert found.against.seeds["accuracy"].t_test is None
    assert found.against.mcnemar == mcnemar(*right) < 0.001
    assert "p McNemar" in str(found)
    assert f"{found.against.mcnemar:.4f}" in str(found)


def test_a_run_does_not_differ_from_itself(data):
    found = evaluate(data / "good", data / "dev.tsv", against=data / "good").against
    assert found.examples == 1
    assert found.seeds["accuracy"].mean == 0
    assert found.seeds["accuracy"].permutation == 1


def test_runs_without_a_common_seed_are_refused(data):
    message = "bad/seed-0 has one model, and this run the seeds 0, 1: runs are compared pair by"
    with pytest.raises(ConfigError, match=message):
        evaluate(data / "good", data / "dev.tsv", against=data / "bad" / "seed-0")


def test_standard_input_is_read_once_for_all_seeds_and_both_runs(data, pipe):
    expected = evaluate(data / "good", data / "dev.tsv", against=data / "bad")
    pipe((data / "dev.tsv").read_bytes())
    found = evaluate(data / "good", "-", against=data / "bad", format="tsv")
    assert found.figures == expected.figures
    assert found.against == expected.against


def trained(task, rows, data, folder):
    lines = [f"{text}\t{label}\n" for text, label in rows]
    (folder / "train.tsv").write_text("text\tlabel\n" + "".join(lines))
    files = {"train": folder / "train.tsv", "output": folder / "run"}
    return finetune(task, model=data / "model", settings=labelled.FAST, **files)


def test_a_run_of_another_task_is_refused_before_anything_is_judged(data, tmp_path):
    rows = [(text, len(text)) for text, _ in labelled.rows(16)]
    other = trained("regression", rows, data, tmp_path)
    with pytest.raises(ConfigError, match=r"is of the task 'regression', and .* 'classification'"):
        evaluate(data / "good", data / "none.tsv", against=other.path)
    with pytest.raises(ConfigError, match=r"model is not fine-tuned, and .* of 'classification'"):
        evaluate(data / "good", data / "none.tsv", against=data / "model")


def with_settings(model, folder, **changes):
    """Copy a model folder, with other settings of its task."""
    shutil.copytree(model, folder)
    path = folder / "config.json"
    values = json.loads(path.read_text())
    values["gloze"] |= changes
    path.write_text(json.dumps(values))
    write_manifest(folder)
    return folder


def test_each_run_answers_with_its_own_settings(data, tmp_path):
    squad(tmp_path / "train.json", 60, 1)
    squad(tmp_path / "dev.json", 20, 2)
    task = ["training.epochs=6", "task.max_question=8", "task.stride=12", "task.max_answer=4"]
    files = {"train": tmp_path / "train.json", "output": tmp_path / "run"}
    settings = [*labelled.FAST, *task]
    own = finetune("span", model=data / "model", settings=settings, **files).model
    short = with_settings(own, tmp_path / "short", max_answer=1)
    found = evaluate(own, tmp_path / "dev.json", against=short)
    both = [found.figures["-"]["f1"], evaluate(short, tmp_path / "dev.json").figures["-"]["f1"]]
    assert found.against.seeds["f1"].mean == both[0] - both[1] > 0.2
    assert found.against.examples < 0.05
    other = with_settings(own, tmp_path / "other", metric="exact")
    judged = evaluate(own, tmp_path / "dev.json", against=other).against
    assert (judged.metric, judged.examples) == ("f1", 1)


def test_answers_that_the_other_task_would_change_are_not_exchanged(data, tmp_path):
    rows = [(text, float(len(text))) for text, _ in labelled.rows(16)]
    own = trained("regression", rows, data, tmp_path).model
    learned = {"labels": [], "pairs": False, "values": {"range": [3.0, 3.0]}}
    free = with_settings(own, tmp_path / "free", learned=learned)
    clipped = with_settings(own, tmp_path / "clipped", learned=learned, clip=True)
    found = evaluate(free, tmp_path / "train.tsv", against=clipped).against
    assert found.examples is None
    assert found.seeds["pearson"].mean != 0


def test_answers_of_taggers_are_exchanged_sentence_by_sentence(data, tmp_path):
    for name, seed in (("train", 1), ("dev", 2)):
        lines = [
            "".join(f"{word} {'B-X' if at == 1 else 'O'}\n" for at, word in enumerate(text.split()))
            for text, _ in labelled.rows(40, seed=seed)
        ]
        (tmp_path / f"{name}.conll").write_text("\n".join(lines))
    runs = []
    for rate in ("2e-2", "1e-5"):
        settings = [*labelled.FAST, f"training.learning_rate={rate}"]
        files = {"train": tmp_path / "train.conll", "output": tmp_path / rate}
        runs.append(finetune("tagging", model=data / "model", settings=settings, **files).path)
    good, bad = (evaluate(run, tmp_path / "dev.conll").figures["-"]["f1"] for run in runs)
    found = evaluate(runs[0], tmp_path / "dev.conll", against=runs[1]).against
    assert found.metric == "f1"
    assert found.seeds["f1"].mean == good - bad > 0.2
    assert found.examples == 1 / 1001
    assert evaluate(runs[0], tmp_path / "dev.conll", against=runs[0]).against.examples == 1


def test_taggers_of_which_one_knows_no_chunks_are_compared_by_their_words(data, tmp_path):
    lines = [
        "".join(f"{word} {'B-X' if at == 1 else 'O'}\n" for at, word in enumerate(text.split()))
        for text, _ in labelled.rows(24)
    ]
    (tmp_path / "train.conll").write_text("\n".join(lines))
    runs = []
    for scheme in ("auto", "none"):
        settings = [*labelled.FAST, f"task.scheme={scheme}"]
        files = {"train": tmp_path / "train.conll", "output": tmp_path / scheme}
        runs.append(finetune("tagging", model=data / "model", settings=settings, **files).path)
    for one, other in (runs, runs[::-1]):
        found = evaluate(one, tmp_path / "train.conll", against=other).against
        assert (found.metric, list(found.seeds)) == ("accuracy", ["accuracy"])


def test_what_the_other_run_cannot_judge_is_said_of_it(data, tmp_path):
    rows = [(text, "cat" if label == "animal" else "ape") for text, label in labelled.rows(32)]
    other = trained("classification", rows, data, tmp_path)
    with pytest.raises(DataError, match=rf"^--against {other.path}: .*dev\.tsv:2.* '\w+'"):
        evaluate(data / "good" / "seed-0", data / "dev.tsv", against=other.path)
