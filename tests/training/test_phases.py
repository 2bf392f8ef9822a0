"""Phases: other sequences from a share of the budget on, in one training."""

import json
import os
import shutil
import signal
from itertools import pairwise

import pytest

from gloze.core.errors import ConfigError, StoppedError
from gloze.recipes import load_recipe
from gloze.training.loop import Trainer
from gloze.training.schedules import warmup_then_decay
from gloze.verbs.pretrain import pretrain
from tests.small import recipe, write_shards
from tests.training.test_distributed import EXACT, agree, train
from tests.training.test_resume import files, rows

STEPS = 24
PHASES = "phases=[{start=0.5, max_length=24, batch_tokens=384}, {start=0.75, max_length=32}]"
SETTINGS = (
    *(f"training.steps={STEPS}", "training.log_every=1", "sampler.max_length=12", PHASES),
    *("training.save_every=1", "training.keep_checkpoints=100"),
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("data") / "shards", 60)


@pytest.fixture(scope="module")
def unbroken(shards, tmp_path_factory):
    return run(shards, tmp_path_factory.mktemp("unbroken") / "run").path


def run(shards, output, *changes, **options):
    return pretrain(recipe(*SETTINGS, *changes), shards=shards, output=output, **options)


def test_each_phase_has_its_sequences_and_steps_and_the_rate_goes_on(shards, unbroken, monkeypatch):
    found = [row for row in rows(unbroken) if "split" not in row]
    assert [row["phase"] for row in found] == [1] * 12 + [2] * 6 + [3] * 6
    config = recipe().training
    expected = [
        config.learning_rate * warmup_then_decay(i / STEPS, config.warmup_rate)
        for i in range(STEPS)
    ]
    assert [row["lr"] for row in found] == pytest.approx(expected)
    tokens = [b["tokens"] - a["tokens"] for a, b in pairwise(found)]
    assert max(tokens[:11]) <= 256 < max(tokens[11:17]) <= 384
    assert max(tokens[17:]) <= 256


def test_sequences_are_as_long_as_the_phase_says(tmp_path, shards, monkeypatch):
    longest = []
    original = Trainer.step

    def watched(trainer, data):
        longest.append((trainer.state.phase, max(b.max_seqlen for b in data.micro_batches)))
        return original(trainer, data)

    monkeypatch.setattr(Trainer, "step", watched)
    run(shards, tmp_path / "run")
    assert [max(n for phase, n in longest if phase == p) for p in range(3)] == [12, 24, 32]


def test_epochs_are_counted_on_so_that_no_draw_is_met_twice(unbroken):
    def place(step):
        state = json.loads((unbroken / f"checkpoints/step-{step:07d}/state.json").read_text())
        return state["phase"], state["epoch"], state["number"]

    places = [place(step) for step in range(STEPS + 1)]
    assert places[12][0] == 1
    assert places[12][1] > places[11][1]
    assert places[12][2] == 0
    assert len(set(places)) == len(places)
    assert [epoch for _, epoch, _ in places] == sorted(epoch for _, epoch, _ in places)


@pytest.mark.parametrize("stop", [11, 12, 13, 18])
def test_a_run_killed_around_a_boundary_ends_with_the_same_bytes(tmp_path, shards, unbroken, stop):
    broken = tmp_path / "broken"
    shutil.copytree(unbroken, broken)
    shutil.rmtree(broken / "model")
    for path in (broken / "checkpoints").iterdir():
        if int(path.name.removeprefix("step-")) > stop:
            shutil.rmtree(path)
    run(shards, broken, resume=True)
    assert files(broken) == files(unbroken)
    assert rows(broken) == rows(unbroken)


@pytest.mark.parametrize("step", [10, 11, 12])
def test_a_signal_around_a_boundary_saves_and_the_run_goes_on(
    tmp_path, shards, unbroken, monkeypatch, step
):
    original = Trainer.step

    def signalled(trainer, data):
        if trainer.state.step == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(trainer, data)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", signalled)
        with pytest.raises(StoppedError, match=f"Stopped at step {step + 1}"):
            run(shards, tmp_path / "stopped")
    run(shards, tmp_path / "stopped", resume=True)
    assert files(tmp_path / "stopped") == files(unbroken)
    assert rows(tmp_path / "stopped") == rows(unbroken)


def test_longer_sequences_are_no_divergence(tmp_path, shards):
    changes = ("training.steps=200", "phases=[{start=0.6, max_length=32}]", "training.save_every=0")
    assert run(shards, tmp_path / "run", *changes).steps == 200
    last = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1]
    state = json.loads((last / "state.json").read_text())
    assert state["rollbacks"] == 0
    assert state["loss_count"] <= 80


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("phases=[{start=0.0, max_length=20}]", "phases start at 0.0: each share"),
        ("phases=[{start=1.0, max_length=20}]", "phases start at 1.0: each share"),
        (
            "phases=[{start=0.6, max_length=20}, {start=0.6, max_length=30}]",
            "phases start at 0.6, 0.6: each share of the budget must be over the one before",
        ),
        ("phases=[{start=0.5, max_length=64}]", r"Phase 2: sampler\.max_length 64 is over encoder"),
        ("phases=[{start=0.5}]", r"Missing setting: phases.*max_length"),
        ("phases=[{start=0.5, max_lenght=20}]", "Did you mean 'max_length'"),
        ("phases=[{start=0.5, max_length=20, batch_size=0}]", r"training\.batch_size is 0"),
        (
            "phases=[{start=0.5, max_length=20, batch_size=1, batch_tokens=5}]",
            "not both or neither",
        ),
    ],
)
def test_impossible_phases_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe(recipe(), [change])


def test_epochs_cannot_be_shared_out_among_phases():
    with pytest.raises(ConfigError, match="epochs are of different lengths"):
        load_recipe(recipe(PHASES), ["training.steps=none", "training.epochs=2"])


def test_the_last_phase_is_what_a_model_is_judged_by():
    config = recipe(*SETTINGS)
    assert config.in_phase(-1).sampler.max_length == 32
    assert recipe().in_phase(-1) == recipe()


@pytest.mark.slow
def test_several_processes_go_over_together(tmp_path, shards):
    settings = (*EXACT, "training.steps=16", "phases=[{start=0.5, max_length=64}]")
    train(1, shards, tmp_path / "alone", *settings)
    train(2, shards, tmp_path / "two", *settings)
    agree(tmp_path / "alone", tmp_path / "two", 16)
