"""Named changes: what each is, and that each trains, at a tiny size."""

import json

import numpy as np
import pytest

from gloze.config.toml import to_toml
from gloze.core.errors import ConfigError
from gloze.recipes import CHANGES, RECIPES, load_recipe
from gloze.verbs.evaluate import evaluate
from gloze.verbs.fill import fill
from gloze.verbs.pretrain import pretrain
from tests.small import recipe, write_shards

TINY = [
    *("encoder.hidden_size=32", "encoder.num_attention_heads=2", "encoder.intermediate_size=64"),
    *("encoder.max_position_embeddings=512", "training.tokens=none", "training.steps=10"),
    *("training.batch_tokens=256", "training.precision=float32", "training.log_every=1"),
    *("training.evaluations=1", "training.device=cpu"),
]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("data") / "shards", 60)


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("80-10-10", (0.8, 0.1, 0.1)),
        ("100-0-0", (1.0, 0.0, 0.0)),
        ("80-0-20", (0.8, 0.0, 0.2)),
        ("80-20-0", (0.8, 0.2, 0.0)),
        ("0-20-80", (0.0, 0.2, 0.8)),
        ("0-0-100", (0.0, 0.0, 1.0)),
    ],
)
def test_masking_ablations_are_the_rows_of_the_papers_table(name, rates):
    mlm = load_recipe(f"mask-{name}").objectives.mlm
    same = 1 - mlm.masked_rate - mlm.random_rate
    assert np.allclose((mlm.masked_rate, same, mlm.random_rate), rates)


@pytest.mark.parametrize("noise", ["unigram-noise", "kneser-ney-noise"])
def test_a_split_after_a_noise_keeps_it_for_random_tokens_alone(noise):
    before = load_recipe(noise).objectives.mlm
    kept = load_recipe(f"{noise}+mask-80-0-20").objectives.mlm
    assert (kept.masked_rate, kept.random_rate) == (0.8, 0.2)
    assert (kept.noise, kept.choice) == (before.noise, before.choice)
    for split, masked in (("mask-100-0-0", 1.0), ("mask-80-20-0", 0.8)):
        without = load_recipe(f"{noise}+{split}").objectives.mlm
        assert (without.masked_rate, without.random_rate) == (masked, 0.0)
        assert (without.noise, without.choice) == ("uniform", before.choice)


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_trains_and_is_judged(tmp_path, shards, change):
    done = pretrain(f"bert-tiny+{change}", shards=shards, output=tmp_path / "run", settings=TINY)
    rows = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    config = load_recipe(f"bert-tiny+{change}")
    named = {name for name, _ in config.objectives.items()}
    assert {
        name for name in ("mlm", "nsp", "lm", "one_blank") if f"{name}_loss" in rows[0]
    } == named
    assert [row.get("phase") for row in rows if "split" not in row] == (
        [1] * 9 + [2] if config.phases else [None] * 10
    )
    judged = evaluate(tmp_path / "run", shards).figures["-"]
    assert judged["loss"] == pytest.approx(done.figures["loss"], rel=1e-4)
    assert (done.unigram_loss is None) == (named == {"nsp"})


@pytest.mark.parametrize("name", [*CHANGES, "bert-mini+no-nsp+whole-words", *RECIPES])
def test_changes_survive_the_trip_through_toml(tmp_path, name):
    config = load_recipe(name)
    (tmp_path / "own.toml").write_text(to_toml(config))
    assert load_recipe(tmp_path / "own.toml") == config
    assert config.name == name


def test_a_change_alone_is_made_to_the_papers_model():
    assert load_recipe("no-nsp").encoder == load_recipe("bert-base").encoder
    assert load_recipe("bert-mini+no-nsp").encoder == load_recipe("bert-mini").encoder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bert-mini+no-nps", r"Unknown change 'no-nps' in 'bert-mini\+no-nps'\. Did you mean"),
        ("no-nps", r"Unknown recipe 'no-nps'\. Did you mean 'no-nsp'"),
        ("bert-mini+", "Unknown change ''"),
        ("only-nsp+whole-words", "masks nothing: the change has nothing to change"),
        ("no-nsp+only-nsp", "asks no question about pairs"),
    ],
)
def test_changes_that_cannot_be_made_are_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe(name)


def test_a_model_of_next_sentences_alone_loads_elsewhere_and_fills_nothing(tmp_path, shards):
    transformers = pytest.importorskip("transformers")
    done = pretrain("bert-tiny+only-nsp", shards=shards, output=tmp_path / "run", settings=TINY)
    config = json.loads((done.model / "config.json").read_text())
    assert config["architectures"] == ["BertForNextSentencePrediction"]
    model, found = transformers.BertForNextSentencePrediction.from_pretrained(
        done.model, output_loading_info=True
    )
    assert not found["missing_keys"]
    assert model.cls.seq_relationship.weight.shape == (2, 32)
    assert "gloze fill" not in str(done)
    assert "fill-mask" not in (done.model / "README.md").read_text()
    with pytest.raises(ConfigError, match="no masked-LM head"):
        fill(done.model, "the [MASK]")


def test_static_masks_repeat_from_epoch_to_epoch(tmp_path, shards):
    losses = []
    for name in ("a", "b"):
        settings = [
            *TINY,
            "training.steps=none",
            "training.epochs=2",
            "training.learning_rate=1e-9",
        ]
        settings += ["sampler.dupe_factor=1" if name == "a" else "sampler.dupe_factor=none"]
        settings += ["training.batch_tokens=100000"]
        pretrain(recipe(), shards=shards, output=tmp_path / name, settings=settings)
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        losses.append([json.loads(x)["mlm_loss"] for x in lines if "split" not in json.loads(x)])
    assert losses[0][0] == pytest.approx(losses[0][1], abs=2e-2)
