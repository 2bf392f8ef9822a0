"""Recurrent language models: they learn, resume to the byte, are judged again."""

import json
import math
import shutil

import pytest
import torch

from gloze.core.errors import ConfigError
from gloze.core.manifest import sha256
from gloze.recipes import load_recipe
from gloze.verbs.evaluate import evaluate
from gloze.verbs.pretrain import pretrain
from tests.small import write_shards

STEPS = 240
SMALL = [
    *("encoder.embedding_size=16", "encoder.hidden_size=24", "sampler.max_length=12"),
    *("training.epochs=none", f"training.steps={STEPS}", "training.batch_size=16"),
    *("training.learning_rate=0.03", "training.precision=float32", "training.device=cpu"),
    *("encoder.input_dropout_prob=0.1", "encoder.hidden_dropout_prob=0.1"),
    *("encoder.output_dropout_prob=0.1", "training.evaluations=2"),
]
TWO_WAY = [
    *("encoder.direction=two_way", "sampler.kind=text_block"),
    *("sampler.short_rate=0", "sampler.within=sentence", "sampler.order=consecutive"),
]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("corpus") / "shards", count=150)


def train(shards, output, *changes, **options):
    return pretrain("lstm-lm", shards=shards, output=output, settings=[*SMALL, *changes], **options)


@pytest.fixture(scope="module")
def run(shards, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "run"
    return train(shards, output, "training.save_every=17", "training.keep_checkpoints=100")


@pytest.mark.parametrize("way", ["left_to_right", "right_to_left"])
def test_it_learns_the_grammar_of_a_tiny_corpus_and_is_judged_the_same_again(
    shards, tmp_path, run, way
):
    found = run
    if way == "right_to_left":
        found = train(shards, tmp_path / "run", f"encoder.direction={way}")
    assert found.figures["lm_loss"] < found.unigram_loss - 1
    assert found.figures["lm_perplexity"] == pytest.approx(math.exp(found.figures["lm_loss"]))
    again = evaluate(found.path, shards, device="cpu").figures["-"]
    assert again["lm_loss"] == pytest.approx(found.figures["lm_loss"], rel=1e-5)


def test_two_directions_learn_side_by_side(shards, tmp_path):
    found = train(shards, tmp_path / "run", *TWO_WAY)
    for name in ("lm_loss", "lm_backward_loss"):
        assert found.figures[name] < found.unigram_loss - 0.7
    again = evaluate(found.path, shards, device="cpu").figures["-"]
    assert again["lm_backward_loss"] == pytest.approx(found.figures["lm_backward_loss"], rel=1e-5)


def state_of(output):
    """Checksums of what a run ends with."""
    last = output / "checkpoints" / f"step-{STEPS:07d}"
    state = json.loads((last / "state.json").read_text())
    state.pop("seconds")
    names = ("model", "optimizer", "carried")
    files = [last / f"{name}.safetensors" for name in names]
    return [*map(sha256, [*files, output / "model" / "model.safetensors"]), state]


@pytest.mark.parametrize("stop", [0, 51, STEPS])
def test_a_killed_run_ends_with_the_same_bytes(run, shards, tmp_path, stop):
    shutil.copytree(run.path, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "model")
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        if int(path.name.removeprefix("step-")) > stop:
            shutil.rmtree(path)
    changes = ("training.save_every=17", "training.keep_checkpoints=100")
    train(shards, tmp_path / "run", *changes, resume=True)
    assert state_of(tmp_path / "run") == state_of(run.path)


def test_micro_batches_change_nothing_but_rounding(shards, tmp_path):
    plain = [f"encoder.{name}_dropout_prob=0" for name in ("input", "hidden", "output")]
    few = ["training.steps=5", *plain]
    whole = train(shards, tmp_path / "whole", *few)
    parts = train(shards, tmp_path / "parts", *few, "training.micro_batch_tokens=30")
    assert parts.figures["lm_loss"] == pytest.approx(whole.figures["lm_loss"], rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["training.batch_size=none", "training.batch_tokens=256"],
            r"Set training\.batch_size in place of training\.batch_tokens",
        ),
        (["encoder.direction=two_way"], r"A two_way encoder reads a sequence from its end too"),
        (["training.parallel=sharded"], r"states are not shared out"),
        (
            ["encoder.kind=feed_forward"],
            "a feed_forward encoder keeps no state from one sequence to the next",
        ),
        (["objectives.nsp={}"], "the stream sampler makes no pairs"),
        (["encoder.hidden_sice=3"], "Did you mean 'hidden_size'"),
        (["objectives.lm.tie_weights=true", "encoder.hidden_size=30"], None),
    ],
)
def test_recipes_that_cannot_be_are_refused(changes, message):
    if message is None:
        # Sizes are known once the encoder is built.
        config = load_recipe("lstm-lm", changes)
        with pytest.raises(ConfigError, match=r"vectors have 650 numbers, .* states have 30"):
            config.objectives.lm.build(config.encoder.build(90), None)
        return
    with pytest.raises(ConfigError, match=message):
        load_recipe("lstm-lm", changes)


def test_a_two_way_model_says_so_when_tied_sizes_differ():
    config = load_recipe("lstm-lm", ["encoder.hidden_size=30", "objectives.lm.tie_weights=true"])
    encoder = load_recipe("lstm-lm", [*TWO_WAY, "encoder.hidden_size=30"]).encoder.build(90)
    with pytest.raises(ConfigError, match=r"650 numbers, .* states have 30 each way"):
        config.objectives.lm.build(encoder, None)
    assert torch.is_tensor(encoder.embeddings.weight)
