"""Compiled layers compute what layers compute; where they cannot be compiled, training says so."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch._dynamo.utils import counters

from gloze.core.errors import ConfigError
from gloze.training import compiled
from gloze.training.compiled import compile_layers, with_static_rows
from gloze.training.config import TrainingConfig
from tests.small import train_shards
from tests.training.test_fast_paths import gradients, prepared

# PyTorch's own, of its own parts.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return train_shards(tmp_path_factory.mktemp("data"))


def compare(shards, change):
    """Compare gradients of steps of different sizes, layers compiled and not.

    The compiled ones see one number of rows, so that nothing is compiled anew after the first.
    """
    found, graphs = [], []
    for is_compiled in (False, True):
        updater, data = prepared(shards, "training.batch_tokens=300", change)
        if is_compiled:
            compile_layers(updater.learner)
            updater.is_compiled = True
        found.append([])
        for _ in range(3):
            updater.gradients(next(data), 0)
            found[-1].append(gradients(updater))
            graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[:3] == [0, 0, 0]
    assert 0 < graphs[3] == graphs[4] == graphs[5], graphs
    for plain, fast in zip(*found, strict=True):
        for name, gradient in plain.items():
            assert torch.allclose(gradient, fast[name], atol=1e-6), name
    print("the same")


@pytest.mark.parametrize("remade", ["false", "true"])
def test_compiled_layers_give_the_same_gradients_for_batches_of_any_size(shards, remade):
    """In a process of its own: here the shapes of all calls are checked, which is compiled too."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom gloze.data.shards import Shards\n"
        "from tests.training.test_compiled import compare\n"
        "compare(Shards.open(Path(sys.argv[1]), 'train'), sys.argv[2])\n"
    )
    change = f"training.gradient_checkpointing={remade}"
    done = subprocess.run(
        [sys.executable, "-c", code, str(shards.folder), change],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "the same\n", done.stderr


def test_static_rows_are_few_and_waste_little(shards):
    _, data = prepared(shards)
    batch = next(data).micro_batches[0]

    def rows(tokens):
        return with_static_rows(replace(batch, input_ids=torch.zeros(tokens))).rows

    assert with_static_rows(replace(batch, rows=12345)).rows == 12345
    found = {tokens: rows(tokens) for tokens in range(1, 2049)}
    assert all(tokens <= n < 1.25 * tokens + 1 for tokens, n in found.items())
    assert len({n for tokens, n in found.items() if tokens > 1024}) == 4
    assert (found[2048], found[2047], found[1900], found[1793], found[1792]) == (2048,) * 4 + (
        1792,
    )


def test_a_training_that_is_compiled_gives_its_batches_static_rows(shards, monkeypatch):
    updater, data = prepared(shards)
    seen = []
    forward = updater.learner.encoder.forward
    monkeypatch.setattr(
        updater.learner.encoder, "forward", lambda batch: seen.append(batch.rows) or forward(batch)
    )
    step = next(data)
    updater.gradients(step, 0)
    updater.is_compiled = True
    updater.gradients(step, 0)
    few = [with_static_rows(batch).rows for batch in step.micro_batches]
    assert seen == [None] * len(few) + few


def test_rows_past_the_tokens_change_no_gradient(shards):
    updater, data = prepared(shards)
    step = next(data)
    updater.gradients(step, 0)
    expected = gradients(updater)
    more = [replace(batch, rows=batch.num_tokens + 33) for batch in step.micro_batches]
    updater.gradients(replace(step, micro_batches=more), 0)
    for name, gradient in gradients(updater).items():
        assert torch.allclose(gradient, expected[name], atol=1e-6), name


def test_names_of_weights_stay_when_layers_are_compiled(shards):
    updater, _ = prepared(shards)
    before = list(updater.learner.state_dict())
    compile_layers(updater.learner)
    assert list(updater.learner.state_dict()) == before


def test_training_goes_on_without_where_nothing_is_gained(shards, capsys):
    prepared(shards, "training.compile=true", "training.device=cpu")
    assert "training.compile: it makes nothing faster on cpu" in capsys.readouterr().err


def test_a_compiler_that_fails_is_named(monkeypatch):
    def fails(function):
        raise RuntimeError("no C compiler found\nmore of it")

    monkeypatch.setattr(compiled.torch, "compile", fails)
    reason = compiled._why_not(torch.device("cuda"))
    assert reason == "it fails on this machine (no C compiler found)."


def test_shared_out_layers_are_not_compiled():
    with pytest.raises(ConfigError, match=r"training\.compile needs layers that are whole"):
        TrainingConfig(steps=1, batch_size=1, compile=True, parallel="sharded")
