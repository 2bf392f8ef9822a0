"""Checkpoints: whole or absent, and never loaded when damaged."""

import json
import os
import random
import shutil
import signal
import time

import numpy as np
import pytest
import torch

from gloze.checkpoint import Checkpoints, models_of
from gloze.config.runs import refuse_other_seeds
from gloze.core.errors import ConfigError, DataError, WriteError


def tensors(step, size=2000):
    draw = torch.Generator().manual_seed(step)
    return {
        "model": {"weight": torch.randn(size, generator=draw), "table": torch.randn(8, 3)},
        "optimizer": {"weight.exp_avg": torch.full((size,), float(step))},
    }


def save(store, step, size=2000):
    return store.save(step, tensors(step, size), {"step": step})


def newest_in(store):
    """The newest intact checkpoint: its path, tensors and state."""
    path = store.latest()
    return path and (path, *store.read(path))


def save_until_killed(folder, size, pipe):
    """Save one checkpoint after the other, telling which are done."""
    torch.set_num_threads(1)
    store = Checkpoints(folder, keep=2)
    latest = newest_in(store)
    for step in range(latest[2]["step"] + 1 if latest else 0, 1 << 30):
        save(store, step, size)
        os.write(pipe, step.to_bytes(8, "little"))


def kill_while_saving(folder, moment, size=200_000):
    """Start a saving process, kill it at a moment, return the last step it said was saved."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        save_until_killed(folder, size, writing)
        os._exit(0)
    os.close(writing)
    first = os.read(reading, 8)
    time.sleep(moment)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    rest = b""
    while block := os.read(reading, 1 << 16):
        rest += block
    os.close(reading)
    whole = first + rest[: len(rest) // 8 * 8]
    return int.from_bytes(whole[-8:], "little")


def check_after_kills(folder, times):
    draw = random.Random(0)
    for _ in range(times):
        acknowledged = kill_while_saving(folder, draw.uniform(0, 0.05))
        begun = time.monotonic()
        store = Checkpoints(folder, keep=2)
        path, loaded, state = newest_in(store)
        assert time.monotonic() - begun < 5
        assert state["step"] >= acknowledged
        step = state["step"]
        assert path.name == f"step-{step:07d}"
        expected = tensors(step, 200_000)["model"]["weight"]
        assert torch.equal(loaded["model"]["weight"], expected)
        assert not list(folder.glob(".tmp-*"))


def test_a_kill_at_any_moment_of_saving_loses_nothing_that_was_saved(tmp_path):
    check_after_kills(tmp_path, 25)


@pytest.mark.soak
def test_three_hundred_kills_lose_nothing_that_was_saved(tmp_path):
    check_after_kills(tmp_path, 300)


@pytest.fixture
def store(tmp_path):
    store = Checkpoints(tmp_path / "checkpoints", keep=3)
    save(store, 1)
    save(store, 2)
    return store


NAMES = ("model.safetensors", "optimizer.safetensors", "state.json", "manifest.json")


def expect_the_previous_one(store, capsys, name):
    _, loaded, state = newest_in(store)
    assert state == {"step": 1}
    assert torch.equal(loaded["optimizer"]["weight.exp_avg"], torch.ones(2000))
    assert name in capsys.readouterr().err


def flip_bits(store, capsys, times):
    newest = store.paths()[0]
    draw = np.random.default_rng(0)
    for name in NAMES:
        original = (newest / name).read_bytes()
        for _ in range(times):
            damaged = bytearray(original)
            place = draw.integers(len(damaged) * 8)
            damaged[place // 8] ^= 1 << (place % 8)
            (newest / name).write_bytes(damaged)
            if name == "manifest.json" and not _changes_meaning(original, bytes(damaged)):
                continue
            expect_the_previous_one(store, capsys, str(newest))
        (newest / name).write_bytes(original)
    assert newest_in(store)[2] == {"step": 2}


def _changes_meaning(before, after):
    """A flipped bit in the manifest's own white space changes nothing it says."""
    try:
        return json.loads(before) != json.loads(after)
    except ValueError:
        return True


def test_a_flipped_bit_in_any_file_is_found_and_the_previous_checkpoint_used(store, capsys):
    flip_bits(store, capsys, 10)


@pytest.mark.soak
def test_two_hundred_flipped_bits_in_each_file_are_found(store, capsys):
    flip_bits(store, capsys, 200)


@pytest.mark.parametrize("name", NAMES)
def test_a_truncated_file_is_found_at_any_length(store, capsys, name):
    path = store.paths()[0] / name
    content = path.read_bytes()
    for size in np.linspace(0, len(content) - 2, 50).astype(int):
        path.write_bytes(content[:size])
        expect_the_previous_one(store, capsys, str(path.parent))


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_found(store, capsys, name):
    (store.paths()[0] / name).unlink()
    expect_the_previous_one(store, capsys, name)


def test_swapped_files_are_found(store, capsys):
    newest = store.paths()[0]
    (newest / "model.safetensors").rename(newest / "x")
    (newest / "optimizer.safetensors").rename(newest / "model.safetensors")
    (newest / "x").rename(newest / "optimizer.safetensors")
    expect_the_previous_one(store, capsys, "model.safetensors")


def test_if_no_checkpoint_is_intact_that_is_said_with_the_cure(store):
    for path in store.paths():
        (path / "state.json").write_text("{}")
    with pytest.raises(DataError, match=r"no checkpoint is intact.*state\.json.*--force"):
        store.latest()


def test_a_copy_beside_the_checkpoints_is_none_of_them(tmp_path):
    store = Checkpoints(tmp_path, keep=1)
    save(store, 1)
    copy = shutil.copytree(tmp_path / "step-0000001", tmp_path / "step-0000001-copy")
    save(store, 2)
    assert store.latest() == tmp_path / "step-0000002"
    assert store.paths() == [tmp_path / "step-0000002"]
    assert copy.is_dir()


def test_a_copy_beside_the_seeds_or_folds_of_a_run_is_none_of_them(tmp_path):
    for name in ("seed-0", "seed-10", "seed-2", "seed-2-old", "seed-2.bak", "fold-1-of-2-old"):
        (tmp_path / name / "model").mkdir(parents=True)
        (tmp_path / name / "model/config.json").touch()
    assert list(models_of(tmp_path)) == ["0", "2", "10"]
    folders = {seed: tmp_path / f"seed-{seed}" for seed in (0, 2, 10)}
    refuse_other_seeds(tmp_path, folders, "figures.json")
    with pytest.raises(ConfigError, match="seed-10 is of a run with other --seeds"):
        refuse_other_seeds(tmp_path, {0: folders[0], 2: folders[2]}, "figures.json")


def test_only_the_newest_are_kept(tmp_path):
    store = Checkpoints(tmp_path, keep=2)
    for step in (5, 10, 15):
        save(store, step)
    assert [path.name for path in store.paths()] == ["step-0000015", "step-0000010"]
    for step in (9_999_999, 10_000_000):
        save(store, step)
    assert [path.name for path in store.paths()] == ["step-10000000", "step-9999999"]


def test_files_can_be_read_by_others(store):
    mask = os.umask(0)
    os.umask(mask)
    for path in store.paths()[0].iterdir():
        assert path.stat().st_mode & 0o777 == 0o644 & ~mask


def test_a_full_disk_keeps_the_older_checkpoints_and_names_the_bytes_needed(store, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(WriteError, match=r"needs [\d,]+ bytes and 1,000 are free") as refused:
        save(store, 3)
    assert refused.value.exit_code == 4
    assert newest_in(store)[2] == {"step": 2}


def test_a_checkpoint_copied_elsewhere_loads(store, tmp_path):
    shutil.copytree(store.folder, tmp_path / "copy")
    assert newest_in(Checkpoints(tmp_path / "copy", keep=2))[2] == {"step": 2}
