"""Searching for settings, and cross-validation: every trial kept, the best taken, exact resume."""

import json

import pytest

import gloze
from gloze import cli
from gloze.core.errors import ConfigError, DivergedError, StoppedError
from gloze.core.manifest import sha256
from gloze.training.loop import Trainer
from gloze.verbs import finetune_search
from gloze.verbs.finetune import finetune
from gloze.verbs.finetune_search import TRIALS
from tests.verbs import labelled

GRID = "training.learning_rate=3e-4,3e-3 training.batch_size=8,16"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    labelled.model_folder(folder / "model")
    labelled.write_tsv(folder / "train.tsv", 64, seed=1)
    labelled.write_tsv(folder / "dev.tsv", 24, seed=2)
    return folder


def run(data, output, *, search=None, settings=(), **changes):
    # What a search tries is not set.
    fast = [each for each in labelled.FAST if each.partition("=")[0] not in (search or "")]
    files = {name: data / f"{name}.tsv" for name in ("train", "dev")}
    return finetune(
        "classification",
        model=data / "model",
        output=output,
        search=search,
        settings=[*fast, *settings],
        **{**files, **changes},
    )


def test_settings_that_a_search_tries_are_not_set_as_well(data, tmp_path):
    message = r"--set training\.batch_size=8 does nothing here: --search tries training\.batch_size"
    with pytest.raises(ConfigError, match=message):
        run(data, tmp_path / "run", search=GRID, settings=["training.batch_size=8"])
    with pytest.raises(ConfigError, match=r"--set training\.epochs=2 does nothing here: --search"):
        run(data, tmp_path / "run", search="grid")
    assert not (tmp_path / "run").exists()


def results(path):
    return json.loads((path / "results.json").read_text())


def test_every_combination_is_a_trial_and_the_best_on_dev_is_the_run(data, tmp_path):
    found = run(data, tmp_path / "run", search=GRID)
    tried = results(found.path)["trials"]
    values = [
        (t["settings"]["training.learning_rate"], t["settings"]["training.batch_size"])
        for t in tried
    ]
    assert values == [("3e-4", "8"), ("3e-4", "16"), ("3e-3", "8"), ("3e-3", "16")]
    best = max(tried, key=lambda trial: trial["accuracy"])
    assert found.best.figures["dev"]["accuracy"] == best["accuracy"]
    # The best is a run like any other, begun with its settings.
    settings = [f"{path}={value}" for path, value in best["settings"].items()]
    alone = run(data, tmp_path / "alone", settings=settings)
    names = [run_.path / "model" / "model.safetensors" for run_ in (found, alone)]
    assert sha256(names[0]) == sha256(names[1])
    kept = [path.parent.name for path in (found.path / TRIALS).glob("*/model")]
    assert kept == [best["path"].rpartition("/")[2]]
    assert len(list((found.path / TRIALS).glob("*/figures.json"))) == 4
    text = str(found)
    assert "Settings by search over 4 trials, the best on dev: training.learning_rate=" in text
    assert "learning_rate  batch_size  dev accuracy" in text
    assert "Trials of the search" in found.report.read_text(encoding="utf-8")
    assert cli.main(["evaluate", str(found.path), "--data", str(data / "dev.tsv")]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("trial", [1, 3])
def test_a_search_goes_on_exactly_and_keeps_finished_trials(data, tmp_path, monkeypatch, trial):
    search = "training.learning_rate=3e-4,3e-3,1e-3"
    whole = run(data, tmp_path / "whole", search=search, seeds=2)
    count, original = [], Trainer.run

    def stopped(trainer):
        count.append(1)
        if len(count) == trial:
            raise StoppedError("here", 75)
        return original(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run", stopped)
        with pytest.raises(StoppedError):
            run(data, tmp_path / "again", search=search, seeds=2)
        again = run(data, tmp_path / "again", search=search, seeds=2, resume=True)
    # One more training than trials and seeds: the one that was stopped.
    assert len(count) == 3 + 1 + 1
    for seed in (0, 1):
        files = [r.path / f"seed-{seed}/model/model.safetensors" for r in (whole, again)]
        assert sha256(files[0]) == sha256(files[1])
    for name in ("trials", "seeds"):
        one, other = results(whole.path)[name], results(again.path)[name]
        for result in (*one, *other):
            result.pop("path")
            result.pop("seconds", None)
        assert one == other


@pytest.mark.slow
def test_optuna_proposes_the_same_after_a_stop(data, tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    search = "optuna training.learning_rate=1e-4..1e-2 training.batch_size=8..16"
    whole = run(data, tmp_path / "whole", search=search, trials=5)
    tried = results(whole.path)["trials"]
    rates = {float(trial["settings"]["training.learning_rate"]) for trial in tried}
    assert len(rates) == 5
    assert all(1e-4 <= rate <= 1e-2 for rate in rates)
    original = finetune_search.run_seed

    def stopped(job, seed, folder):
        if len(list((tmp_path / "again" / TRIALS).glob("*/figures.json"))) == 3:
            raise StoppedError("here", 75)
        return original(job, seed, folder)

    with monkeypatch.context() as patch:
        patch.setattr(finetune_search, "run_seed", stopped)
        with pytest.raises(StoppedError):
            run(data, tmp_path / "again", search=search, trials=5)
    again = run(data, tmp_path / "again", search=search, trials=5, resume=True)
    assert [t["settings"] for t in results(again.path)["trials"]] == [t["settings"] for t in tried]


def test_a_trial_that_diverges_loses_and_all_of_them_are_an_error(data, tmp_path):
    found = run(data, tmp_path / "run", search="training.learning_rate=1e30,3e-3")
    assert [trial["accuracy"] is None for trial in results(found.path)["trials"]] == [True, False]
    assert "diverged" in str(found)
    with pytest.raises(DivergedError, match="Each of 1 trials diverged: try lower rates"):
        run(data, tmp_path / "none", search="training.learning_rate=1e30")


@pytest.mark.parametrize(
    ("search", "settings", "message"),
    [
        ("training.learning_rate=1e-3 training.epoch=1,2", [], "Unknown setting in training.epoch"),
        (
            "training.epochs=1,2",
            ["freeze=['encoder.embedings']"],
            "no weight is called 'encoder.em",
        ),
        (
            "encoder.hidden_dropout_prob=0.1,1.5",
            [],
            "hidden_dropout_prob is 1.5; it must be at lea",
        ),
        ("readout.layers=[-1],[9]", [], "readout.layers names 9; the model has hidden states 0"),
        ("seed=0,1", [], "--search seed=0,1: every trial has the first seed"),
        ("task.metric=f1,accuracy", [], "trials are compared by it, so it has to be one"),
    ],
)
def test_an_impossible_setting_is_refused_and_leaves_nothing(
    data, tmp_path, search, settings, message
):
    with pytest.raises(ConfigError, match=message):
        run(data, tmp_path / "run", search=search, settings=settings)
    assert not (tmp_path / "run").exists()


def test_what_is_tried_twice_is_one_trial(data, tmp_path):
    found = run(data, tmp_path / "run", search="training.epochs=1,1")
    one, other = results(found.path)["trials"]
    assert one == other
    assert found.predict(["the cat sees bread."])


def test_a_search_is_not_gone_on_with_as_another(data, tmp_path):
    run(data, tmp_path / "run", search="training.epochs=1,2")
    for search in ("training.epochs=1,2,3", "training.epochs=1"):
        with pytest.raises(ConfigError, match="run began with another --search, or another number"):
            run(data, tmp_path / "run", search=search, resume=True)


def test_cross_validation_judges_every_example_once(data, tmp_path):
    test = labelled.write_tsv(tmp_path / "test.tsv", 10, seed=3)
    found = run(data, tmp_path / "run", dev=None, test=test, folds=4)
    assert found.over == "fold"
    assert [result.seed for result in found.seeds] == [1, 2, 3, 4]
    counts = [result.figures["dev"]["examples"] for result in found.seeds]
    assert counts == [16, 16, 16, 16]
    assert {result.figures["test"]["examples"] for result in found.seeds} == {10}
    saved = results(found.path)
    accuracies = [result.figures["dev"]["accuracy"] for result in found.seeds]
    assert saved["over"] == "fold"
    assert saved["dev"]["accuracy"]["values"] == accuracies
    assert saved["dev"]["accuracy"]["mean"] == pytest.approx(sum(accuracies) / 4)
    assert "fold  accuracy" in str(found)
    assert f"gloze predict {found.best.path}" in str(found)
    again = run(data, tmp_path / "run", dev=None, test=test, folds=4, resume=True)
    assert again.to_dict() == found.to_dict()
    with pytest.raises(ConfigError, match="fold-1-of-4 is of a run with other --folds"):
        run(data, tmp_path / "run", dev=None, test=test, folds=5, resume=True)
    for use in (
        lambda: gloze.evaluate(found.path, test),
        lambda: gloze.predict(found.path, test, output=tmp_path / "out.tsv"),
        lambda: gloze.convert(found.path, output=tmp_path / "out"),
    ):
        with pytest.raises(ConfigError, match=r"no model of all examples: name .*/fold-1-of-4\."):
            use()
    with pytest.raises(ConfigError, match="run began with --folds: go on with it so"):
        run(data, tmp_path / "run", dev=None, test=test, resume=True)


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_plain_run_is_not_gone_on_with_as_a_search(data, tmp_path, seeds):
    run(data, tmp_path / "run", seeds=seeds)
    search = "training.weight_decay=0,0.1"
    with pytest.raises(ConfigError, match="run began without --search"):
        run(data, tmp_path / "run", seeds=seeds, search=search, resume=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search": GRID, "dev": None}, "--search compares settings on held-out.*--dev FILE"),
        ({"trials": 3}, "--trials 3: how many trials of --search optuna"),
        ({"search": GRID, "trials": 3}, "--trials is of --search optuna; a grid tries every"),
        ({"folds": 1, "dev": None}, "--folds 1: at least 2 are needed"),
        ({"folds": 2}, "--folds has no place for --dev: each fold is held out once"),
        ({"folds": 2, "dev": None, "seeds": 2}, "--folds has no place for --seeds"),
        ({"folds": 2, "dev": None, "search": GRID}, "--folds has no place for --search"),
        ({"folds": 65, "dev": None}, "--folds 65: there are 64 examples to deal out"),
    ],
)
def test_calls_that_cannot_be_are_refused(data, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        run(data, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()
