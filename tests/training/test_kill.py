"""A whole run killed with SIGKILL, again and again, ends with the bytes of an unbroken one."""

import random
import subprocess
import sys
import time

import pytest

from gloze.config.toml import to_toml
from gloze.core.manifest import sha256
from tests.small import recipe, write_shards

STEPS = 400


def command(folder, run):
    words = ["pretrain", "recipe.toml", "--shards", "shards", "-o", run, "--resume"]
    return [sys.executable, "-m", "gloze", *words], {"cwd": folder, "stderr": subprocess.PIPE}


def killed(folder, run, seconds):
    """Start or go on with a run and kill it so long after its first checkpoint appeared."""
    words, options = command(folder, run)
    before = {path.name for path in (folder / run / "checkpoints").glob("step-*")}
    with subprocess.Popen(words, **options) as process:
        while process.poll() is None:
            now = {path.name for path in (folder / run / "checkpoints").glob("step-*")}
            if now - before:
                break
            time.sleep(0.01)
        time.sleep(seconds)
        process.kill()
    return process.returncode == -9


def run_kills(folder, times):
    write_shards(folder / "shards")
    text = to_toml(recipe(f"training.steps={STEPS}", "training.save_every=7"))
    (folder / "recipe.toml").write_text(text, encoding="utf-8")
    words, options = command(folder, "unbroken")
    subprocess.run(words, check=True, timeout=300, **options)
    draw = random.Random(0)
    kills = sum(killed(folder, "broken", draw.uniform(0, 0.4)) for _ in range(times))
    words, options = command(folder, "broken")
    subprocess.run(words, check=True, timeout=300, **options)
    weights = [folder / run / "model" / "model.safetensors" for run in ("unbroken", "broken")]
    assert kills >= 2
    assert sha256(weights[0]) == sha256(weights[1])


@pytest.mark.slow
def test_a_run_killed_at_three_random_moments_ends_with_the_same_bytes(tmp_path):
    run_kills(tmp_path, 3)


@pytest.mark.soak
def test_a_run_killed_twenty_times_ends_with_the_same_bytes(tmp_path):
    run_kills(tmp_path, 20)
