"""Every fast path of a step against its plain form: the same losses, gradients, weights."""

import numpy as np
import pytest
import torch

from benchmarks.pretrain import pad
from gloze.checkpoint import save_model
from gloze.config.build import build_learner, training_stream
from gloze.interop.huggingface import to_theirs
from gloze.recipes import load_recipe
from gloze.training import update
from gloze.training.optim import build_optimizer
from gloze.training.update import Updater
from tests.small import recipe, tokenizer, train_shards

EXACT = (
    *("encoder.hidden_dropout_prob=0.0", "encoder.attention_probs_dropout_prob=0.0"),
    *("encoder.initializer_range=0.1", "training.precision=float32"),
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return train_shards(tmp_path_factory.mktemp("data"))


def prepared(shards, *changes):
    """An updater at its first step, and the data of steps."""
    config = load_recipe(recipe(), [*EXACT, *changes])
    torch.manual_seed(0)
    objectives, learner = build_learner(config, tokenizer())
    source = config.sampler.build(shards, tokenizer(), 0)
    stream = training_stream(source, objectives, config)
    return Updater(learner, config.training, 0), stream.read()


def gradients(updater):
    return {name: p.grad.clone() for name, p in updater.learner.named_parameters()}


def test_a_packed_step_is_its_sequences_one_by_one(shards):
    updater, data = prepared(shards)
    step = next(data)
    updater.gradients(step, 0)
    packed = gradients(updater)
    updater.optimizer.zero_grad()
    alone, _ = prepared(shards, "training.micro_batch_tokens=1")
    _, data = prepared(shards, "training.micro_batch_tokens=1")
    each = next(data)
    assert all(batch.num_sequences == 1 for batch in each.micro_batches)
    assert len(each.micro_batches) > 4
    alone.gradients(each, 0)
    for name, gradient in gradients(alone).items():
        assert torch.allclose(gradient, packed[name], atol=1e-6), name


def test_masked_positions_alone_without_padding_give_the_losses_and_gradients_of_transformers(
    shards, tmp_path
):
    transformers = pytest.importorskip("transformers")
    updater, data = prepared(shards, "training.micro_batch_tokens=100000")
    step = next(data)
    save_model(tmp_path / "m", updater.learner, tokenizer(), card="")
    theirs = transformers.BertForPreTraining.from_pretrained(tmp_path / "m").train()
    loss = theirs(**pad(step.micro_batches[0])).loss
    loss.backward()
    figures = {name: float(mark) for name, mark in updater.gradients(step, 0).items()}
    mine = sum(figures[f"{name}_loss"] / step.num_labels[name] for name in ("mlm", "nsp"))
    assert mine == pytest.approx(loss.item(), abs=1e-5)
    named = dict(theirs.named_parameters())
    for name, gradient in to_theirs(gradients(updater)).items():
        assert torch.allclose(gradient, named[name].grad, atol=2e-6), name


def losses(shards, steps, *changes):
    updater, data = prepared(shards, *changes)
    found = []
    for number in range(steps):
        step = next(data)
        marks = updater.gradients(step, number)
        found.append(float(marks["mlm_loss"]) / step.num_labels["mlm"])
        updater.clip()
        updater.apply(2e-3)
    return np.array(found), updater


def test_bf16_learns_as_float32_does_over_500_steps(shards):
    """Within what another order of the data changes, which is what seeds differ by."""
    exact, _ = losses(shards, 500)
    rounded, _ = losses(shards, 500, "training.precision=bfloat16")
    other, _ = losses(shards, 500, "seed=1")
    assert exact[-100:].mean() < 0.5 * exact[:10].mean()
    spread = max(np.abs(exact - other)[100:].mean(), 0.01)
    assert np.abs(exact - rounded).mean() < spread
    assert abs(exact[-100:].mean() - rounded[-100:].mean()) < spread


def test_the_fused_optimizer_is_the_plain_one(shards, monkeypatch):
    def plain(model, config):
        optimizer = build_optimizer(model, config)
        groups = [{**g, "fused": False, "foreach": False} for g in optimizer.param_groups]
        return torch.optim.AdamW(groups, betas=optimizer.defaults["betas"], eps=1e-6)

    _, fused = losses(shards, 20)
    monkeypatch.setattr(update, "build_optimizer", plain)
    _, separate = losses(shards, 20)
    assert not separate.optimizer.param_groups[0]["fused"]
    for one, other in zip(fused.trained, separate.trained, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
