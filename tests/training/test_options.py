"""What a training may do besides: other schedules, unfreezing, stopping early, less memory."""

import json
import shutil

import pytest
import torch

from gloze.checkpoint import load_tensors
from gloze.core.errors import ConfigError, DataError
from gloze.core.manifest import sha256
from gloze.training.config import TrainingConfig
from gloze.training.log import read_metrics
from gloze.training.schedules import share_of_rate
from gloze.verbs.pretrain import pretrain
from tests.small import recipe, train_shards
from tests.training.test_loop import trainer


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return train_shards(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize(
    ("progress", "share"), [(0, 1 / 32), (0.05, 0.515625), (0.1, 1), (0.55, 0.515625), (1, 1 / 32)]
)
def test_a_slanted_triangle_begins_and_ends_at_a_32nd(progress, share):
    """Howard and Ruder 2018, equation 3, with cut_frac 0.1 and ratio 32."""
    assert share_of_rate("slanted_triangular", progress, 0.1) == pytest.approx(share)


@pytest.mark.parametrize(
    ("progress", "share"),
    [(0, 0), (0.1, 0.5), (0.2, 1), (0.4, (1 + 0.5**0.5) / 2), (0.6, 0.5), (0.8, 0.1464466), (1, 0)],
)
def test_a_cosine_falls_from_the_end_of_warm_up_like_half_a_wave(progress, share):
    assert share_of_rate("cosine", progress, 0.2) == pytest.approx(share)


def test_the_schedule_of_a_training_is_the_one_asked_for(tmp_path, shards):
    change = ("training.schedule=slanted_triangular", "training.log_every=1")
    trainer(shards, tmp_path, *change, "training.steps=20", "training.warmup_rate=0.1").run()
    rates = [row["lr"] for row in read_metrics(tmp_path / "metrics.jsonl")]
    assert rates[0] == pytest.approx(1e-3 / 32)
    assert rates[2] == pytest.approx(1e-3)
    assert rates[11] == pytest.approx(1e-3 * (1 / 32 + 31 / 32 / 2))


def stages(learner):
    """Whether each part of the encoder has a gradient, from the embeddings up."""
    return [
        any(weight.grad is not None for weight in stage.parameters())
        for stage in learner.encoder.stages
    ]


def test_parts_are_unfrozen_one_an_epoch_from_the_top(tmp_path, shards):
    changes = ("training.unfreeze_epochs=1", "training.steps=none", "training.epochs=4")
    made = trainer(shards, tmp_path, *changes, "encoder.num_hidden_layers=2")
    learner, seen, tracked = made.updater.learner, {}, {}
    update = made.updater.update

    def watched(data, step, rate):
        before = {name: p.detach().clone() for name, p in learner.named_parameters()}
        found = update(data, step, rate)
        moved = {name for name, p in learner.named_parameters() if not torch.equal(p, before[name])}
        seen[data.epoch] = (stages(learner), any("embeddings" in name for name in moved))
        tracked[data.epoch] = len(made.updater.optimizer.state)
        return found

    made.updater.update = watched
    made.run()
    assert [seen[epoch] for epoch in range(4)] == [
        ([False, False, False], False),
        ([False, False, True], False),
        ([False, True, True], False),
        ([True, True, True], True),
    ]
    # Averages of gradients are kept for what has one, and no earlier.
    assert list(tracked.values()) == sorted(set(tracked.values()))
    assert tracked[3] == len(made.updater.trained)


def test_several_parts_an_epoch_may_be_unfrozen(tmp_path, shards):
    made = trainer(shards, tmp_path, "training.unfreeze_epochs=0.25")
    for epochs, trains in ((0.2, 0), (0.25, 1), (0.6, 2), (9.0, 3)):
        made.updater.unfreeze(epochs)
        parts = [next(stage.parameters()) for stage in made.updater.learner.encoder.stages]
        assert sum(weight.requires_grad for weight in parts) == trains


def test_what_is_frozen_for_good_is_not_unfrozen(tmp_path, shards):
    made = trainer(shards, tmp_path, "training.unfreeze_epochs=1")
    frozen = made.updater.learner.encoder.embeddings.token_embeddings.weight
    made.updater.trained = [w for w in made.updater.trained if w is not frozen]
    frozen.requires_grad_(False)
    made.updater.unfreeze(9.0)
    assert not frozen.requires_grad
    assert made.updater.learner.encoder.embeddings.norm.weight.requires_grad
    made.updater.trained = list(made.updater.learner.encoder.embeddings.parameters())
    with pytest.raises(ConfigError, match="unfreeze_epochs begins with the head, which is frozen"):
        made.updater.unfreeze(0.0)


def end(folder):
    last = max((folder / "checkpoints").glob("step-*"))
    state = json.loads((last / "state.json").read_text())
    state.pop("seconds")
    names = ("model.safetensors", "optimizer.safetensors")
    return [
        sha256(folder / "model" / "model.safetensors"),
        *(sha256(last / n) for n in names),
        state,
    ]


GRADUAL = ("training.unfreeze_epochs=0.5", "training.schedule=slanted_triangular")
STOPPING = ("training.evaluations=10", "training.keep_best=true", "training.learning_rate=0.03")


@pytest.mark.parametrize("changes", [GRADUAL, STOPPING, ("training.gradient_checkpointing=true",)])
@pytest.mark.parametrize("stop", [3, 11])
def test_a_run_goes_on_exactly_with_every_option(tmp_path, shards, changes, stop):
    keep = ("training.save_every=1", "training.keep_checkpoints=100")
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    config = recipe(*changes, *keep)
    pretrain(config, shards=shards.folder, output=unbroken)
    shutil.copytree(unbroken, broken)
    shutil.rmtree(broken / "model")
    for path in (broken / "checkpoints").iterdir():
        if int(path.name.removeprefix("step-")) > stop:
            shutil.rmtree(path)
    pretrain(config, shards=shards.folder, output=broken, resume=True)
    assert end(broken) == end(unbroken)


def with_figures(shards, folder, figures, *changes):
    """A trainer whose held-out figures are these, one after the other."""
    made = trainer(shards, folder, f"training.evaluations={len(figures)}", *changes)
    answers = iter(figures)
    made.evaluate = lambda: {"accuracy": next(answers)}
    made.score = lambda found: found["accuracy"]
    return made


FIGURES = (0.1, 0.5, 0.4, 0.5, 0.3, 0.9, 0.9, 0.9, 0.9, 0.9)


def test_training_stops_after_as_many_evaluations_without_a_better_figure(tmp_path, shards):
    config = ("training.patience=3", "training.keep_best=false")
    made = with_figures(shards, tmp_path, FIGURES)
    made.config = recipe(*config, "training.evaluations=10").training
    state = made.run()
    # Of 20 steps two to an evaluation: the best at 4, equal or worse at 6, 8 and 10.
    assert (state.best_step, state.best_score, state.step) == (4, 0.5, 10)


def test_the_best_weights_are_kept_and_taken_at_the_end(tmp_path, shards):
    made = with_figures(shards, tmp_path, (0.1, 0.8, 0.3, 0.2, 0.1))
    made.config = recipe("training.keep_best=true", "training.evaluations=5").training
    made.checkpoints.keep = 1
    saved, save = {}, made.save

    def noting():
        saved[made.state.step] = made.updater.learner.heads["mlm"].output.bias.detach().clone()
        return save()

    made.save = noting
    state = made.run()
    assert (state.step, state.best_step) == (20, 8)
    best = made.updater.learner.heads["mlm"].output.bias
    assert torch.equal(best, saved[8])
    assert not torch.equal(best, saved[20])
    names = sorted(path.name for path in (tmp_path / "checkpoints").glob("step-*"))
    assert names == ["step-0000008", "step-0000020"]
    shutil.rmtree(tmp_path / "checkpoints" / "step-0000008")
    with pytest.raises(DataError, match="this checkpoint is gone, whose weights were the best"):
        made.run()


def test_a_pre_training_keeps_the_weights_of_the_lowest_loss(tmp_path, shards):
    changes = ("training.evaluations=10", "training.keep_best=true", "training.learning_rate=0.1")
    run = pretrain(recipe(*changes), shards=shards.folder, output=tmp_path / "run")
    rows = [r for r in read_metrics(tmp_path / "run" / "metrics.jsonl") if "split" in r]
    best = min(rows, key=lambda row: row["loss"])
    assert best["step"] < run.steps
    assert run.figures["loss"] == best["loss"]
    kept = tmp_path / "run" / "checkpoints" / f"step-{best['step']:07d}"
    table = load_tensors(kept / "model.safetensors")["encoder.embeddings.token_embeddings.weight"]
    saved = load_tensors(run.model / "model.safetensors")
    assert torch.equal(saved["bert.embeddings.word_embeddings.weight"], table)


@pytest.mark.parametrize("name", ["patience=2", "keep_best=true"])
def test_stopping_early_without_held_out_figures_is_refused(tmp_path, shards, name):
    pattern = rf"training.{name.partition('=')[0]} goes by held-out figures, and there are none"
    with pytest.raises(ConfigError, match=pattern):
        trainer(shards, tmp_path, f"training.{name}")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patience": -1}, "training.patience is -1; it must not be negative"),
        ({"patience": 1, "evaluations": 0}, "training.patience goes by evaluations, and"),
        ({"keep_best": True, "evaluations": 0}, "training.keep_best goes by evaluations, and"),
        ({"unfreeze_epochs": 0.0}, "training.unfreeze_epochs is 0.0; it must be over 0"),
        (
            {"unfreeze_epochs": 1.0, "parallel": "sharded"},
            "unfreeze_epochs needs weights that are whole: set training.parallel=replicated",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(epochs=1, batch_size=8, **settings)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_layers_computed_again_give_the_same_gradients_to_the_last_bit(tmp_path, shards, precision):
    found = []
    for number, remade in enumerate(("false", "true")):
        made = trainer(
            *(shards, tmp_path / str(number), f"training.precision={precision}"),
            f"training.gradient_checkpointing={remade}",
        )
        assert made.updater.learner.encoder.gradient_checkpointing == (remade == "true")
        data = next(iter(made.stream.read()))
        marks = made.updater.gradients(data, 0)
        found.append([marks["mlm_loss"], *(p.grad.clone() for p in made.updater.trained)])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
