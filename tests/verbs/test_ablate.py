"""Arms beside each other: what is trained, what it equals, stopping and going on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

import gloze
from gloze.core.errors import StoppedError
from gloze.core.manifest import sha256
from gloze.training.loop import Trainer
from tests.verbs import labelled
from tests.verbs.arms import FINETUNED, SHORT, SLOW, TOKENS, arms, forbid, results, run, write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("ablate"))


@pytest.fixture(scope="module")
def done(data):
    return run(data, data / "done")


def test_the_models_are_those_of_the_single_verbs(data, done, tmp_path):
    settings = ["training.steps=none", f"training.tokens={TOKENS}"]
    for label, changes, tuning in (("tiny", [], []), ("short", [SHORT], [SLOW])):
        by_hand = gloze.pretrain(
            data / "tiny.toml",
            shards=data / "shards",
            output=tmp_path / label,
            settings=[*settings, *changes],
        )
        weights = "model/model.safetensors"
        folder = done.path / "arms" / label
        assert sha256(folder / "pretrain" / weights) == sha256(by_hand.path / weights)
        files = {split: data / f"{split}.tsv" for split in ("train", "dev", "test")}
        tuned = gloze.finetune(
            "classification",
            model=by_hand.path,
            output=tmp_path / f"{label}-who",
            seeds=2,
            settings=[*FINETUNED, *tuning],
            **files,
        )
        for seed in (0, 1):
            own = folder / "tasks/who" / f"seed-{seed}" / weights
            assert sha256(own) == sha256(tuned.path / f"seed-{seed}" / weights)
        [found] = [arm for arm in done.arms if arm.name == label]
        expected = {r.seed: r.figures["test"]["accuracy"] for r in tuned.seeds}
        assert found.outcomes["who"].figures == {0: expected}
        assert found.costs[0].tokens == by_hand.tokens
        assert found.costs[0].figures == by_hand.figures


def test_the_difference_is_that_of_evaluate(data, done):
    runs = [done.path / "arms" / label / "tasks/who" for label in ("tiny", "short")]
    beside = gloze.evaluate(runs[1], data / "test.tsv", against=runs[0]).against
    difference = done.arms[1].outcomes["who"].difference
    assert difference.mean == pytest.approx(beside.seeds["accuracy"].mean)
    assert difference.p_seeds == beside.seeds["accuracy"].t_test
    assert difference.p_examples == beside.examples
    assert difference.p_adjusted == max(difference.p_seeds, difference.p_examples)
    assert difference.mean != 0
    assert (difference.pairs, difference.unit) == (2, "fine-tunings")
    assert done.arms[0].outcomes["who"].difference is None


def test_everything_lies_where_it_should(done):
    assert not done.exit_code
    for name in ("ablation.toml", "results.json", "table.md", "report.html", "arms/tiny/pretrain"):
        assert (done.path / name).exists()
    saved = json.loads((done.path / "results.json").read_text(encoding="utf-8"))
    assert saved == json.loads(json.dumps(done.to_dict()))
    assert (
        saved["arms"][1]["outcomes"]["who"]["std"] == done.arms[1].outcomes["who"].spread.deviation
    )
    page = (done.path / "report.html").read_text(encoding="utf-8")
    for text in ("tiny", "short", "p examples", "Held-out loss of mlm, by tokens", "<svg"):
        assert text in page
    assert "<script" not in page
    table = (done.path / "table.md").read_text(encoding="utf-8")
    assert "| who accuracy (test) |" in table
    assert "Against tiny" in str(done)


def test_operations_are_those_of_the_formula(data, done):
    """Fewer for each token where sequences are shorter: attention has fewer pairs."""
    each = [arm.costs[0].flops / arm.costs[0].tokens for arm in done.arms]
    assert each[0] > each[1] > 6 * (4 * 32**2 + 2 * 32 * 64)
    assert done.arms[0].costs[0].passes == pytest.approx(
        done.arms[0].costs[0].tokens / gloze_tokens(data)
    )


def gloze_tokens(data):
    index = json.loads((data / "shards/shards.json").read_text())
    return index["splits"]["train"]["tokens"]


def test_a_budget_of_operations_gives_each_arm_as_many(data, done, tmp_path):
    flops = done.arms[0].costs[0].flops
    found = run(data, tmp_path / "out", tokens=None, flops=flops, tasks=())
    for arm in found.arms:
        # A step is 256 tokens.
        assert 0 <= arm.costs[0].flops - flops < 256 * arm.costs[0].flops / arm.costs[0].tokens
    assert found.arms[1].costs[0].tokens >= found.arms[0].costs[0].tokens
    assert found.budget == f"{flops:.3g} FLOPs"


def stop_at(monkeypatch, number):
    """Stop after so many steps of training, whatever is trained."""
    step, count = Trainer.step, []

    def stopping(trainer, batch):
        count.append(0)
        if len(count) == number:
            trainer.save()
            raise StoppedError("stopped", 75)
        return step(trainer, batch)

    monkeypatch.setattr(Trainer, "step", stopping)
    return step


# In the first pre-training, in the second, in the second arm's fine-tuning.
@pytest.mark.parametrize("number", [4, 9, 45])
def test_stopped_anywhere_it_goes_on_to_the_same_results(data, done, tmp_path, monkeypatch, number):
    step = stop_at(monkeypatch, number)
    with pytest.raises(StoppedError):
        run(data, tmp_path / "out")
    monkeypatch.setattr(Trainer, "step", step)
    gloze.ablate(output=tmp_path / "out", resume=True)
    assert results(tmp_path / "out") == results(done.path)
    for name in ("arms/short/tasks/who/seed-1", "arms/tiny/pretrain"):
        weights = f"{name}/model/model.safetensors"
        assert sha256(tmp_path / "out" / weights) == sha256(done.path / weights)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_ends_it_with_its_exit_code_and_all_saved(data, tmp_path, number, code):
    words = ["ablate", *arms(data), "--shards", "shards", "--tokens", "1G", "-o", tmp_path / "out"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gloze", *words], cwd=data, stderr=subprocess.PIPE, text=True
    )
    with process:
        while not (tmp_path / "out/arms/tiny/pretrain/metrics.jsonl").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == code
    assert "Go on with --resume." in said.splitlines()[-1]
    assert list((tmp_path / "out/arms/tiny/pretrain/checkpoints").glob("step-*"))
    assert (tmp_path / "out/ablation.toml").is_file()


def test_what_is_finished_is_not_done_again(data, done, monkeypatch):
    before = results(done.path)
    forbid(monkeypatch, "pretrain", "finetune", "compare")
    again = gloze.ablate(output=done.path, resume=True)
    assert results(done.path) == before
    assert str(again) == str(done)


def test_a_dry_run_trains_and_writes_nothing(data, tmp_path, monkeypatch, capsys):
    forbid(monkeypatch, "pretrain", "finetune")
    model = labelled.model_folder(tmp_path / "model")
    more = [f"{data / 'tiny.toml'} --label frozen --transfer frozen", str(model)]
    found = run(data, tmp_path / "out", arms(data, *more), dry_run=True, pretrain_seeds=2)
    assert not (tmp_path / "out").exists()
    tiny, short, frozen, there = found.arms
    assert [arm.pretrainings for arm in found.arms] == [2, 2, 0, 0]
    assert [arm.finetunings for arm in found.arms] == [4, 4, 4, 2]
    assert tiny.tokens == TOKENS
    assert tiny.flops > short.flops
    assert tiny.pretrain_seconds > 0
    assert tiny.finetune_seconds > frozen.finetune_seconds > 0
    assert frozen.trained_as == "tiny"
    assert there.pretrain_seconds is None
    assert there.tokens is None
    assert not found.is_whole
    # Two pre-trainings, a model and two checkpoints each; four fine-tunings.
    assert tiny.bytes == 4 * tiny.parameters * (2 * (1 + 3 * 2) + 4)
    assert "Nothing was trained" in str(found)
    assert "at least" in str(found)


def test_pretrainings_with_several_seeds_count_each_once(data, tmp_path):
    found = run(data, tmp_path / "out", pretrain_seeds=2, tokens=1000)
    first, second = (arm.outcomes["who"] for arm in found.arms)
    assert list(first.figures) == [0, 1]
    assert (found.path / "arms/tiny/seed-1/pretrain/model").is_dir()
    weights = [found.path / "arms/tiny" / name for name in ("pretrain", "seed-1/pretrain")]
    assert len({sha256(w / "model/model.safetensors") for w in weights}) == 2
    means = [sum(own.values()) / 2 for own in first.figures.values()]
    assert first.spread.values == pytest.approx(tuple(means))
    assert (second.difference.pairs, second.difference.unit) == (2, "pre-trainings")
    compared = json.loads((found.path / "comparisons/who/short.json").read_text())
    assert compared["runs"] == ["0/0", "0/1", "1/0", "1/1"]
