"""Averaged SGD: steps and averages worked out in NumPy, when it begins, what a run ends with."""

import numpy as np
import pytest
import torch

from gloze.checkpoint import load_tensors
from gloze.core.errors import ConfigError
from gloze.core.manifest import sha256
from gloze.training.asgd import AveragedSGD
from gloze.training.log import read_metrics
from gloze.training.schedules import share_of_rate
from gloze.verbs.pretrain import pretrain
from tests.small import recipe, write_shards

# A rate at which the loss soon gets no further.
SGD = [
    *("training.optimizer=nt_asgd", "training.schedule=constant", "training.learning_rate=1.0"),
    *("training.averaging_after=1", "training.evaluations=8", "training.warmup_rate=0"),
    *("training.steps=40", "training.save_every=10", "training.keep_checkpoints=100"),
]


def test_steps_and_averages_are_those_of_the_formula():
    draw = np.random.default_rng(0)
    weight = torch.nn.Parameter(torch.tensor(draw.normal(size=(3, 2))))
    optimizer = AveragedSGD([{"params": [weight], "weight_decay": 0.1}], lr=0.5)
    own, seen = weight.detach().numpy().copy(), []
    for step in range(6):
        if step == 2:
            optimizer.begin_averaging()
            seen.append(own.copy())
        gradient = draw.normal(size=(3, 2))
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        own -= 0.5 * (gradient + 0.1 * own)
        np.testing.assert_allclose(weight.detach(), own, rtol=1e-12)
        seen += [own.copy()] if step >= 2 else []
    with optimizer.averaged():
        np.testing.assert_allclose(weight.detach(), np.mean(seen, 0), rtol=1e-6)
    np.testing.assert_allclose(weight.detach(), own, rtol=1e-12)
    optimizer.take_averages()
    np.testing.assert_allclose(weight.detach(), np.mean(seen, 0), rtol=1e-6)


def test_a_broken_step_changes_neither_weights_nor_averages():
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = AveragedSGD([{"params": [weight]}], lr=0.5)
    optimizer.begin_averaging()
    weight.grad, optimizer.found_inf = torch.tensor([torch.nan, 1.0]), torch.ones(())
    optimizer.step()
    assert weight.tolist() == [1.0, 1.0]
    assert optimizer.state[weight]["average"].tolist() == [1.0, 1.0]
    assert optimizer.state[weight]["step"] == 1


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asgd")
    shards = write_shards(folder / "shards", count=60)
    return pretrain(recipe(*SGD), shards=shards, output=folder / "run"), shards


def test_averaging_begins_once_evaluations_get_no_better_and_goes_into_the_model(done, capsys):
    run, _ = done
    losses = [r["loss"] for r in read_metrics(run.path / "metrics.jsonl") if r.get("split")]
    worse = next(i for i in range(1, len(losses)) if losses[i] >= min(losses[:i]))
    begun = (worse + 1) * 5
    for step in (10, 20, 30):
        kept = load_tensors(run.path / "checkpoints" / f"step-{step:07d}" / "optimizer.safetensors")
        assert bool(kept) == (step >= begun)
    last = run.path / "checkpoints" / "step-0000040"
    kept, model = (load_tensors(last / f"{name}.safetensors") for name in ("optimizer", "model"))
    names = {name.removesuffix(".average") for name in kept if name.endswith(".average")}
    assert names == set(model)
    for name in names:
        assert torch.equal(kept[f"{name}.average"], model[name])
    assert int(kept[f"{min(names)}.step"]) == 41 - begun


def test_it_resumes_to_the_byte(done, tmp_path):
    run, shards = done
    other = pretrain(recipe(*SGD), shards=shards, output=tmp_path / "run")
    for path in (other.path / "checkpoints").iterdir():
        if int(path.name.removeprefix("step-")) > 20:
            for file in path.iterdir():
                file.unlink()
            path.rmdir()
    again = pretrain(recipe(*SGD), shards=shards, output=other.path, resume=True)
    assert sha256(again.model / "model.safetensors") == sha256(run.model / "model.safetensors")


def test_a_constant_rate_stays_and_impossible_settings_are_refused():
    shares = [share_of_rate("constant", progress, 0.2) for progress in (0.0, 0.1, 0.2, 0.9, 1.0)]
    assert shares == [0.0, 0.5, 1.0, 1.0, 1.0]
    assert share_of_rate("constant", 0.0, 0.0) == 1
    with pytest.raises(ConfigError, match="averages whole weights"):
        recipe("training.optimizer=nt_asgd", "training.parallel=sharded")
    with pytest.raises(ConfigError, match="averaging_after is 0"):
        recipe("training.averaging_after=0")
