"""Going on exactly: whatever stopped a run, resumed it ends with the bytes of an unbroken one."""

import itertools
import json
import os
import shutil
import signal

import pytest

from gloze.core.errors import ConfigError, DataError, StoppedError
from gloze.core.files import locked
from gloze.core.manifest import sha256
from gloze.recipes import load_recipe
from gloze.training.loop import Trainer
from gloze.verbs.pretrain import pretrain
from tests.small import recipe, write_shards

STEPS = 24


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


def run(shards, output, *changes, **options):
    settings = (f"training.steps={STEPS}", *changes)
    return pretrain(recipe(*settings), shards=shards, output=output, **options)


def rows(output):
    """The logged figures, without those of the clock."""
    lines = (output / "metrics.jsonl").read_text().splitlines()
    clock = ("seconds", "tokens_per_second")
    return [{k: v for k, v in json.loads(x).items() if k not in clock} for x in lines]


def files(output):
    """Checksums of all that a run's end holds: weights, optimizer, counts."""
    last = output / "checkpoints" / f"step-{STEPS:07d}"
    state = json.loads((last / "state.json").read_text())
    state.pop("seconds")
    names = ("model.safetensors", "optimizer.safetensors")
    model = output / "model" / "model.safetensors"
    return [sha256(model), *(sha256(last / name) for name in names), state]


CASES = list(itertools.product(["float32", "bfloat16"], [1, 4], [0, 2]))


@pytest.mark.parametrize(("precision", "micro_batches", "workers"), CASES)
def test_a_run_resumed_from_any_step_ends_with_the_same_bytes(
    tmp_path, shards, precision, micro_batches, workers
):
    changes = (
        f"training.precision={precision}",
        f"training.micro_batch_tokens={256 // micro_batches}",
        f"training.loader_workers={workers}",
        "training.save_every=1",
        "training.keep_checkpoints=100",
    )
    unbroken = tmp_path / "unbroken"
    run(shards, unbroken, *changes)
    for stop in (0, 7, 23):
        broken = tmp_path / f"broken-{stop}"
        shutil.copytree(unbroken, broken)
        shutil.rmtree(broken / "model")
        for path in (broken / "checkpoints").iterdir():
            if int(path.name.removeprefix("step-")) > stop:
                shutil.rmtree(path)
        run(shards, broken, *changes, resume=True)
        assert files(broken) == files(unbroken)
        assert rows(broken) == rows(unbroken)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130), (signal.SIGUSR1, 75)]
)
@pytest.mark.parametrize("step", [3, 14])
def test_a_signal_saves_at_the_next_step_and_the_run_can_go_on(
    tmp_path, shards, monkeypatch, number, code, step
):
    run(shards, tmp_path / "unbroken")
    original = Trainer.step

    def signalled(trainer, data):
        if trainer.state.step == step:
            os.kill(os.getpid(), number)
        return original(trainer, data)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", signalled)
        with pytest.raises(StoppedError, match=f"Stopped at step {step + 1}.*--resume") as stopped:
            run(shards, tmp_path / "stopped")
    assert stopped.value.exit_code == code
    run(shards, tmp_path / "stopped", resume=True)
    assert files(tmp_path / "stopped") == files(tmp_path / "unbroken")
    assert rows(tmp_path / "stopped") == rows(tmp_path / "unbroken")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path, shards):
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    run(shards, first)
    run(shards, again)
    run(shards, other, seed=1)
    assert files(first) == files(again)
    assert files(first)[0] != files(other)[0]


def test_a_finished_run_resumed_changes_nothing(tmp_path, shards):
    run(shards, tmp_path / "run")
    before = files(tmp_path / "run")
    run(shards, tmp_path / "run", resume=True)
    assert files(tmp_path / "run") == before


def test_resuming_where_there_is_no_run_begins_one(tmp_path, shards):
    assert run(shards, tmp_path / "new", resume=True).steps == STEPS


def test_a_run_is_not_overwritten_unless_forced(tmp_path, shards):
    run(shards, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"exists already.*--force"):
        run(shards, tmp_path / "run")
    run(shards, tmp_path / "run", force=True)


def test_a_changed_recipe_is_not_resumed(tmp_path, shards):
    run(shards, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"training\.learning_rate was 0\.001 and is now 0\.5"):
        run(shards, tmp_path / "run", "training.learning_rate=0.5", resume=True)


def test_other_shards_are_not_resumed_on(tmp_path, shards):
    run(shards, tmp_path / "run")
    other = write_shards(tmp_path / "other", count=30)
    with pytest.raises(DataError, match="not the shards this run began with"):
        run(other, tmp_path / "run", resume=True)


def test_a_second_run_on_the_same_folder_is_refused(tmp_path, shards):
    with (
        locked(tmp_path / "run"),
        pytest.raises(ConfigError, match=f"Another run is writing.*process {os.getpid()}"),
    ):
        run(shards, tmp_path / "run", resume=True)


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path, shards):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").write_text("999999999")
    assert run(shards, tmp_path / "run", resume=True).steps == STEPS


def test_the_resolved_recipe_tells_the_vocabulary_of_the_shards(tmp_path, shards):
    run(shards, tmp_path / "run")
    assert load_recipe(tmp_path / "run" / "recipe.toml").tokenizer.vocab_size == 90
