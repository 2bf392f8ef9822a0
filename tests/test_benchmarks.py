"""Benchmarks that no machine of the tests can run in full run at a tiny size."""

import json
import os
import subprocess
import sys

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
