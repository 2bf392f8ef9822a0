"""LAMB: the steps of the paper, worked out in NumPy, alone and on several processes."""

import numpy as np
import pytest
import torch

from gloze.config.build import build_learner
from gloze.core.manifest import sha256
from gloze.training.lamb import Lamb
from gloze.training.optim import build_optimizer
from gloze.verbs.pretrain import pretrain
from tests.small import recipe, tokenizer, write_shards
from tests.training.test_distributed import EXACT, agree, train, weights

BETAS, EPS, DECAY = (0.9, 0.99), 1e-6, 0.1


def reference(weight, gradients, *, lr, decay, scaled, joined=1):
    """Algorithm 2 of You et al. 2020 in float64."""
    weight = weight.astype(np.float64)
    m, v = np.zeros_like(weight), np.zeros_like(weight)
    for step, gradient in enumerate(gradients, start=1):
        m = BETAS[0] * m + (1 - BETAS[0]) * gradient
        v = BETAS[1] * v + (1 - BETAS[1]) * gradient**2
        r = (m / (1 - BETAS[0] ** step)) / (np.sqrt(v / (1 - BETAS[1] ** step)) + EPS)
        change = r + decay * weight
        for part in range(joined):
            rows = slice(part * len(weight) // joined, (part + 1) * len(weight) // joined)
            long, wide = np.linalg.norm(weight[rows]), np.linalg.norm(change[rows])
            ratio = long / wide if scaled and long > 0 and wide > 0 else 1.0
            weight[rows] -= lr * ratio * change[rows]
    return weight


@pytest.mark.parametrize("shape", [(6, 4), (6, 2, 3), (6,)])
@pytest.mark.parametrize("joined", [1, 3])
def test_steps_are_those_of_the_paper(shape, joined):
    draw = np.random.default_rng(0)
    start = draw.normal(size=shape).astype(np.float32)
    gradients = [draw.normal(size=shape).astype(np.float32) for _ in range(5)]
    weight = torch.nn.Parameter(torch.tensor(start))
    is_matrix = len(shape) > 1
    group = {"params": [weight], "weight_decay": DECAY, "scaled": is_matrix, "joined": joined}
    optimizer = Lamb([group], lr=0.05, betas=BETAS, eps=EPS)
    for gradient in gradients:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    wanted = reference(
        start, gradients, lr=0.05, decay=DECAY, scaled=is_matrix, joined=joined if is_matrix else 1
    )
    assert np.allclose(weight.detach().numpy(), wanted, atol=1e-6)


@pytest.mark.parametrize(("weight", "gradient"), [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_where_weight_or_change_is_zero_the_ratio_is_one(weight, gradient):
    parameter = torch.nn.Parameter(torch.full((2, 2), weight))
    parameter.grad = torch.full((2, 2), gradient)
    Lamb([{"params": [parameter]}], lr=0.5, betas=BETAS, eps=EPS).step()
    assert torch.allclose(parameter, torch.full((2, 2), weight - 0.5 * gradient), atol=1e-5)


@pytest.mark.parametrize("at", [0, 2])
def test_a_broken_gradient_leaves_weights_and_averages_as_they_are(at):
    draw = torch.Generator().manual_seed(0)
    start = torch.randn(4, 3, generator=draw)
    gradients = [torch.randn(4, 3, generator=draw) for _ in range(3)]
    ends = []
    for breaks in (False, True):
        weight = torch.nn.Parameter(start.clone())
        optimizer = Lamb(
            [{"params": [weight], "weight_decay": DECAY}], lr=0.05, betas=BETAS, eps=EPS
        )
        for number, gradient in enumerate(gradients):
            if breaks and number == at:
                weight.grad = torch.full((4, 3), float("nan"))
                optimizer.found_inf = torch.ones(())
                optimizer.step()
            weight.grad = gradient.clone()
            optimizer.found_inf = torch.zeros(())
            optimizer.step()
        ends.append([weight.detach(), *optimizer.state[weight].values()])
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


def test_norms_and_biases_neither_decay_nor_are_scaled_and_joined_weights_are_three():
    _, learner = build_learner(recipe(), tokenizer())
    optimizer = build_optimizer(learner, recipe("training.optimizer=lamb").training)
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    for name, weight in learner.named_parameters():
        plain = name.endswith("bias") or "norm" in name or "transform.2" in name
        group = groups[id(weight)]
        joined = 3 if name.endswith("query_key_value.weight") else 1
        wanted = (0.0 if plain else 0.01, not plain, joined)
        assert (group["weight_decay"], group["scaled"], group["joined"]) == wanted, name


def test_each_part_of_the_encoder_learns_at_its_share_of_the_rate():
    config = recipe("training.optimizer=lamb", "training.layerwise_lr_decay=0.5").training
    _, learner = build_learner(recipe(), tokenizer())
    shares = {g["share"] for g in build_optimizer(learner, config).param_groups}
    assert shares == {1.0, 0.5, 0.25, 0.125}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("data") / "shards", 60)


LAMB = ("training.optimizer=lamb", "training.learning_rate=0.01")


def test_a_run_resumed_ends_with_the_same_bytes(tmp_path, shards, monkeypatch):
    settings = [*LAMB, "training.steps=12", "training.save_every=5", "training.keep_checkpoints=9"]
    whole = pretrain(recipe(), shards=shards, output=tmp_path / "whole", settings=settings)
    (tmp_path / "whole" / "checkpoints" / "step-0000012").rename(tmp_path / "last")
    before = sha256(whole.model / "model.safetensors")
    pretrain(recipe(), shards=shards, output=tmp_path / "whole", settings=settings, resume=True)
    assert sha256(whole.model / "model.safetensors") == before
    name = "optimizer.safetensors"
    again = tmp_path / "whole" / "checkpoints" / "step-0000012"
    assert sha256(again / name) == sha256(tmp_path / "last" / name)


@pytest.mark.slow
def test_several_processes_train_as_one_does_whole_or_in_parts(tmp_path, shards):
    # Rates at which rounding does not grow, so that the lengths of whole weights tell.
    settings = (*EXACT, *LAMB, "training.steps=20")
    train(1, shards, tmp_path / "alone", *settings)
    for processes, parallel in ((2, "replicated"), (3, "sharded")):
        output = tmp_path / parallel
        train(processes, shards, output, *settings, f"training.parallel={parallel}")
        agree(tmp_path / "alone", output, 20)
        mine, theirs = weights(tmp_path / "alone"), weights(output)
        for name, weight in mine.items():
            assert torch.allclose(weight, theirs[name], atol=1e-4), (parallel, name)
