"""The loop: splitting a step changes nothing, budgets end it, divergence is caught."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gloze.checkpoint import Checkpoints
from gloze.config.build import build_learner, training_stream
from gloze.core.errors import ConfigError, DataError, DivergedError
from gloze.data.shards import Shards
from gloze.recipes import load_recipe
from gloze.training.budget import Budget
from gloze.training.config import TrainingConfig
from gloze.training.guard import judge
from gloze.training.log import MetricsLog, read_metrics
from gloze.training.loop import Trainer
from gloze.training.optim import build_optimizer
from gloze.training.schedules import warmup_then_decay
from gloze.training.state import TrainingState
from gloze.training.update import Updater
from gloze.verbs.pretrain import pretrain
from tests.small import recipe, tokenizer, train_shards, write_shards


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return train_shards(tmp_path_factory.mktemp("data"))


def trainer(shards, folder, *changes):
    config = load_recipe(recipe(), changes)
    torch.manual_seed(0)
    objectives, learner = build_learner(config, tokenizer())
    source = config.sampler.build(shards, tokenizer(), 0)
    folder.mkdir(exist_ok=True)
    return Trainer(
        learner,
        training_stream(source, objectives, config),
        config.training,
        seed=0,
        log=MetricsLog(folder, "test"),
        checkpoints=Checkpoints(folder / "checkpoints", 2),
    )


NO_DROPOUT = ("encoder.hidden_dropout_prob=0.0", "encoder.attention_probs_dropout_prob=0.0")


@pytest.mark.parametrize("micro_batch_tokens", [32, 100, 128])
def test_splitting_a_step_into_micro_batches_changes_nothing(tmp_path, shards, micro_batch_tokens):
    results = []
    for i, tokens in enumerate((256, micro_batch_tokens)):
        change = f"training.micro_batch_tokens={tokens}"
        made = trainer(shards, tmp_path / str(i), *NO_DROPOUT, change)
        data = next(iter(made.stream.read()))
        made.updater.gradients(data, 0)
        results.append((len(data.micro_batches), [p.grad.clone() for p in made.updater.trained]))
    assert results[0][0] < results[1][0]
    for one, other in zip(results[0][1], results[1][1], strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_the_gradient_is_that_of_the_mean_loss_over_the_labels_of_the_step(tmp_path, shards):
    made = trainer(shards, tmp_path, *NO_DROPOUT)
    data = next(iter(made.stream.read()))
    made.updater.gradients(data, 0)
    mine = [p.grad.clone() for p in made.updater.trained]
    made.updater.optimizer.zero_grad()
    sums = {"mlm": 0.0, "nsp": 0.0}
    for batch in data.micro_batches:
        for name, mark in made.updater.learner(batch).items():
            sums[name] = sums[name] + mark.loss
    labels = {name: sum(len(b.labels[name]) for b in data.micro_batches) for name in sums}
    assert labels == data.num_labels
    sum(sums[name] / labels[name] for name in sums).backward()
    for one, other in zip(mine, made.updater.trained, strict=True):
        assert torch.allclose(one, other.grad, atol=1e-6)


def test_the_loss_falls_below_what_frequencies_alone_can_tell(tmp_path):
    folder = write_shards(tmp_path / "shards", count=200)
    changes = ("training.steps=150", "training.learning_rate=5e-3", "training.warmup_rate=0.1")
    still = ("training.batch_tokens=512", "training.micro_batch_tokens=512", *NO_DROPOUT)
    pretrain(recipe(*changes, *still), shards=folder, output=tmp_path / "run")
    counts = np.bincount(Shards.open(folder, "train").tokens)
    share = counts[counts > 0] / counts.sum()
    entropy = -(share * np.log(share)).sum()
    rows = [row for row in read_metrics(tmp_path / "run" / "metrics.jsonl") if "split" in row]
    assert rows[-1]["mlm_loss"] < entropy - 0.3
    assert rows[-1]["mlm_perplexity"] == pytest.approx(np.exp(rows[-1]["mlm_loss"]))


def test_norms_and_biases_do_not_decay():
    _, learner = build_learner(recipe(), tokenizer())
    optimizer = build_optimizer(learner, recipe().training)
    decay = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    for name, parameter in learner.named_parameters():
        plain = name.endswith("bias") or "norm" in name or "transform.2" in name
        assert decay[id(parameter)] == (0.0 if plain else 0.01), name


def test_each_part_of_the_encoder_learns_at_a_share_of_the_rate_of_the_one_above(tmp_path, shards):
    """Adam's first update is the rate itself, whatever the gradient."""
    made = trainer(
        *(shards, tmp_path, "training.layerwise_lr_decay=0.5", "training.weight_decay=0"),
        *("training.max_grad_norm=1e9", "encoder.num_hidden_layers=2"),
    )
    before = {name: p.detach().clone() for name, p in made.updater.learner.named_parameters()}
    made.updater.update(next(made.stream.read()), 0, 1e-3)
    moved = {
        name: (p.detach() - before[name]).abs().max().item()
        for name, p in made.updater.learner.named_parameters()
    }
    for part, share in {
        "encoder.embeddings.norm.weight": 1 / 8,
        "encoder.layers.0.intermediate.weight": 1 / 4,
        "encoder.layers.1.intermediate.weight": 1 / 2,
        "encoder.pooler.dense.weight": 1,
        "heads.mlm.transform.0.weight": 1,
    }.items():
        assert moved[part] == pytest.approx(share * 1e-3, rel=1e-2), part


@pytest.mark.parametrize(
    ("progress", "share"), [(0, 0), (0.05, 0.5), (0.1, 1), (0.55, 0.5), (1, 0), (1.2, 0)]
)
def test_the_rate_rises_evenly_then_falls_evenly(progress, share):
    assert warmup_then_decay(progress, 0.1) == pytest.approx(share)


def test_without_warm_up_the_rate_begins_at_its_highest():
    assert warmup_then_decay(0, 0.0) == 1


@pytest.mark.parametrize(
    ("setting", "steps"), [("steps=7", 7), ("tokens=1000", 4), ("epochs=1", None)]
)
def test_each_budget_ends_training(tmp_path, shards, setting, steps):
    made = trainer(shards, tmp_path, "training.steps=none", f"training.{setting}")
    state = made.run()
    expected = made.stream.num_steps(0) if steps is None else steps
    assert abs(state.step - expected) <= (1 if "tokens" in setting else 0)


def test_a_budget_in_minutes_also_ends_the_decay_in_time(tmp_path, shards, monkeypatch):
    # Of a clock that goes on by a hundredth of a second whenever it is looked at.
    clock = itertools.count()
    looked_at = SimpleNamespace(monotonic=lambda: next(clock) / 100)
    monkeypatch.setattr("gloze.training.loop.time", looked_at)
    made = trainer(shards, tmp_path, "training.steps=none", "training.minutes=0.03")
    state = made.run()
    assert 1.8 <= state.seconds < 2
    rates = [row["lr"] for row in read_metrics(tmp_path / "metrics.jsonl")]
    assert rates[-1] < 0.2 * max(rates)


@pytest.mark.parametrize("happens", ["nothing", "stops", "goes back"])
def test_the_rate_of_a_row_counts_the_time_of_all_its_steps_whatever_happens_between(
    tmp_path, shards, monkeypatch, happens
):
    # Of a clock on which an update takes a second, and nothing else any time.
    clock, original = [0.0], Updater.gradients

    def timed(self, data, step):
        clock[0] += 1
        if happens == "stops" and step == 9:
            raise KeyboardInterrupt
        broken = happens == "goes back" and data.number in (9, 10, 11, 12)
        totals = original(self, data, step)
        return {**totals, "mlm_loss": totals["mlm_loss"] * float("nan")} if broken else totals

    monkeypatch.setattr(Updater, "gradients", timed)
    looked_at = SimpleNamespace(monotonic=lambda: clock[0])
    monkeypatch.setattr("gloze.training.loop.time", looked_at)
    changes = ("training.save_every=8", "training.log_every=5")
    if happens == "stops":
        with pytest.raises(KeyboardInterrupt):
            trainer(shards, tmp_path, *changes).run()
        happens, clock[0] = "nothing", 5000.0
    state = trainer(shards, tmp_path, *changes).run()
    assert state.rollbacks == (happens == "goes back")
    rows = list(read_metrics(tmp_path / "metrics.jsonl"))
    assert [row["step"] for row in rows] == [5, 10, 15, 20]
    seen = np.diff([0, *(row["tokens"] for row in rows)])
    assert [row["tokens_per_second"] for row in rows] == pytest.approx((seen / 5).tolist())


def test_fractions_of_epochs_are_counted_in_steps():
    stream = SimpleNamespace(num_steps=lambda epoch: 10)
    config = TrainingConfig(epochs=2.5, batch_size=4)
    assert Budget(config, stream).steps == 25


def test_a_training_never_ends_on_weights_without_a_finite_loss(tmp_path, shards):
    made = trainer(shards, tmp_path, "training.learning_rate=1e30", "training.steps=4")
    with pytest.raises(DivergedError, match=r"ended on a loss that is not finite.*step-0000000"):
        made.run()


def test_held_out_figures_that_are_not_finite_are_divergence(tmp_path, shards):
    made = trainer(shards, tmp_path, "training.evaluations=1")
    made.evaluate = lambda: {"mlm_loss": float("nan")}
    with pytest.raises(DivergedError, match="Held-out figures are not finite"):
        made.run()


def test_numbers_that_are_not_finite_are_never_applied_and_the_batch_is_kept(
    tmp_path, shards, monkeypatch
):
    made = trainer(shards, tmp_path)
    original = Updater.gradients

    def poisoned(self, data, step):
        totals = original(self, data, step)
        if step == 3:
            self.trained[0].grad[0, 0] = float("nan")
        return totals

    monkeypatch.setattr(Updater, "gradients", poisoned)
    state = made.run()
    assert state.step == 20
    assert [r[0] for r in state.refused] == [3]
    kept = json.loads((tmp_path / "refused" / "step-0000003.json").read_text())
    assert kept["indices"]
    assert all(torch.isfinite(p).all() for p in made.updater.trained)


@pytest.mark.parametrize("poison", [None, 3, 7])
def test_figures_read_a_step_late_change_no_weight_and_no_row(
    tmp_path, shards, monkeypatch, poison
):
    """As on a device that computes while the host prepares the next step."""
    original = Updater.gradients

    def poisoned(self, data, step):
        totals = original(self, data, step)
        if step == poison:
            self.trained[0].grad[0, 0] = float("inf")
        return totals

    monkeypatch.setattr(Updater, "gradients", poisoned)
    found = []
    for ahead in (0, 1):
        folder = tmp_path / str(ahead)
        made = trainer(shards, folder, "training.log_every=4", "training.save_every=7")
        made._ahead = ahead
        state = made.run()
        rows = list(read_metrics(folder / "metrics.jsonl"))
        timeless = [{k: v for k, v in r.items() if "second" not in k} for r in rows]
        found.append((made.updater.tensors(), timeless, state.refused, state.loss_mean))
    (weights, *rest), (late_weights, *late_rest) = found
    assert rest == late_rest
    for group, tensors in weights.items():
        assert all(torch.equal(late_weights[group][name], x) for name, x in tensors.items())


def test_lasting_nan_goes_back_three_times_and_then_stops_with_step_batch_and_checkpoint(
    tmp_path, shards, monkeypatch
):
    made = trainer(shards, tmp_path, "training.save_every=5")
    original = Updater.gradients

    def poisoned(self, data, step):
        totals = original(self, data, step)
        broken = step > 6
        return {**totals, "mlm_loss": totals["mlm_loss"] * float("nan")} if broken else totals

    monkeypatch.setattr(Updater, "gradients", poisoned)
    with pytest.raises(DivergedError, match=r"at step 13 .*sequences \[.*step-0000010") as error:
        made.run()
    assert error.value.exit_code == 5
    assert made.state.rollbacks == 3
    assert len(made.state.excluded) == 12
    store = Checkpoints(tmp_path / "checkpoints", 2)
    assert store.read(store.latest())[1]["step"] == 10


@pytest.mark.parametrize("ahead", [0, 1])
def test_after_going_back_the_data_that_led_there_is_left_out(tmp_path, shards, monkeypatch, ahead):
    made = trainer(shards, tmp_path, "training.save_every=5")
    made._ahead = ahead
    original, bad = Updater.gradients, [[0, n] for n in (7, 8, 9, 10)]

    def poisoned(self, data, step):
        totals = original(self, data, step)
        broken = [data.epoch, data.number] in bad
        return {**totals, "mlm_loss": totals["mlm_loss"] * float("nan")} if broken else totals

    monkeypatch.setattr(Updater, "gradients", poisoned)
    state = made.run()
    assert (state.step, state.rollbacks) == (20, 1)
    assert state.excluded == bad
    assert state.refused == []
    assert all(torch.isfinite(p).all() for p in made.updater.trained)


def judged(losses):
    state = TrainingState()
    return [judge(state, i, loss, 1.0, [0, i]) for i, loss in enumerate(losses)], state


def test_twenty_steps_far_over_the_mean_are_divergence():
    noise = np.random.default_rng(0).normal(3, 0.1, 200).tolist()
    verdicts, state = judged([*noise, *[9.0] * 20])
    assert verdicts[:-1] == ["fine"] * 219
    assert verdicts[-1] == "diverged"
    assert state.suspects == [[0, i] for i in range(200, 220)]


def test_a_single_high_loss_or_a_normal_curve_is_none():
    noise = np.random.default_rng(0).normal(0, 0.1, 1000)
    falling = 8 * np.exp(-np.arange(1000) / 100) + 2 + noise
    falling[[300, 500, 501]] = 30
    verdicts, _ = judged(falling.tolist())
    assert set(verdicts) == {"fine"}


def test_a_row_cut_by_a_kill_is_passed_over_and_later_rows_are_dropped_on_resume(tmp_path):
    log = MetricsLog(tmp_path, "test")
    for step in (10, 20, 30):
        log.row({"step": step, "loss": 1.0}, 0.5)
    with log.path.open("a") as file:
        file.write('{"step": 40, "lo')
    assert [row["step"] for row in read_metrics(log.path)] == [10, 20, 30]
    log.rewind(20)
    assert [row["step"] for row in read_metrics(log.path)] == [10, 20]


def test_excluded_data_and_counts_survive_a_round_trip():
    state = TrainingState(step=3, excluded=[[0, 5]], sums={"loss": 1.5})
    assert TrainingState.from_dict(json.loads(json.dumps(state.to_dict()))) == state


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="No budget"):
        TrainingConfig(batch_size=1)
    with pytest.raises(ConfigError, match=r"one of training\.batch_tokens"):
        TrainingConfig(steps=1)
    for change in (
        *({"warmup_rate": 2}, {"adam_beta1": 1.5}, {"adam_epsilon": -1e-6}, {"max_grad_norm": -1}),
        *({"weight_decay": -1}, {"save_minutes": -1}, {"evaluation_tokens": -5}),
        *({"learning_rate": 0}, {"micro_batch_tokens": 0}, {"layerwise_lr_decay": 1.5}),
    ):
        (name, value) = next(iter(change.items()))
        with pytest.raises(ConfigError, match=rf"training\.{name} is {value}"):
            TrainingConfig(steps=1, batch_size=1, **change)


def test_one_and_two_loader_workers_train_the_same_weights(tmp_path, shards):
    weights = []
    for workers in (1, 2):
        made = trainer(shards, tmp_path / str(workers), f"training.loader_workers={workers}")
        made.run()
        weights.append([p.detach().clone() for p in made.updater.trained])
    assert all(torch.equal(a, b) for a, b in itertools.zip_longest(*weights))


def test_a_state_of_another_version_is_refused_by_what_it_lacks():
    values = TrainingState().to_dict()
    del values["phase"]
    with pytest.raises(DataError, match=r"another version of gloze.*\(phase\).*recipe\.toml"):
        TrainingState.from_dict(values)
