"""Pre-training as a whole: what it starts from, what it refuses, what it leaves behind."""

import io
import json
import sys

import pytest
import torch

from gloze.checkpoint import load_parts, load_tensors, write_model
from gloze.config.toml import to_toml
from gloze.core.errors import ConfigError, DataError
from gloze.recipes import load_recipe
from gloze.training.loop import Trainer
from gloze.verbs.pretrain import pretrain
from tests.small import documents, recipe, tokenizer, write_shards

SHORT = ["training.steps=2", "training.evaluations=0"]


def write_corpus(path, count=30, seed=0):
    texts = ["\n".join(sentences) for sentences in documents(count, seed)]
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrain")
    write_shards(folder / "shards")
    tokenizer().save(folder / "tokenizer")
    return pretrain(recipe(), shards=folder / "shards", output=folder / "run", settings=SHORT).path


def from_corpus(folder, corpus, **changes):
    settings = [*SHORT, "tokenizer.vocab_size=80"]
    return pretrain(recipe(), corpus=corpus, output=folder / "run", settings=settings, **changes)


def test_a_resumed_run_has_the_corpus_it_began_with(tmp_path):
    corpus = write_corpus(tmp_path / "corpus.txt")
    first = from_corpus(tmp_path, str(corpus))
    listed = json.loads((tmp_path / "run" / "corpus.json").read_text())
    assert [entry["path"] for entry in listed] == [str(corpus)]
    assert from_corpus(tmp_path, [corpus], resume=True).figures == first.figures
    other = write_corpus(tmp_path / "other.txt", seed=1)
    with pytest.raises(DataError, match=r"other\.txt: the run began with another corpus"):
        from_corpus(tmp_path, [other], resume=True)
    with pytest.raises(DataError, match="no such file"):
        from_corpus(tmp_path, [tmp_path / "none.txt"], resume=True)
    with pytest.raises(DataError, match="another corpus"):
        from_corpus(tmp_path, [corpus, other], resume=True)


def test_a_run_begun_before_a_setting_came_in_can_be_resumed(tmp_path):
    corpus = write_corpus(tmp_path / "corpus.txt")
    first = from_corpus(tmp_path, corpus)
    path = tmp_path / "run" / "recipe.toml"
    written = path.read_text()
    assert 'split = "punctuation"\n' in written
    path.write_text(written.replace('split = "punctuation"\n', ""))
    assert from_corpus(tmp_path, corpus, resume=True).figures == first.figures
    path.write_text(written.replace("steps = 2", "steps = 3"))
    with pytest.raises(ConfigError, match=r"training\.steps was 3 and is now 2\. Leave"):
        from_corpus(tmp_path, corpus, resume=True)


def test_standard_input_is_noted_by_what_it_held(tmp_path, monkeypatch):
    text = write_corpus(tmp_path / "corpus.txt").read_bytes()
    for resume in (False, True):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        from_corpus(tmp_path, ["-"], resume=resume)
    assert json.loads((tmp_path / "run" / "corpus.json").read_text())[0]["path"] == "-"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text + b"more\n")))
    with pytest.raises(DataError, match="-: the run began with another corpus"):
        from_corpus(tmp_path, ["-"], resume=True)


def test_what_is_refused_before_training_leaves_nothing(tmp_path):
    corpus = write_corpus(tmp_path / "corpus.txt", count=2)
    with pytest.raises(DataError, match="one document"):
        from_corpus(tmp_path, [corpus])
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]


def test_ctrl_c_before_the_first_step_leaves_nothing(run, tmp_path, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pretrain(recipe(), shards=run.parent / "shards", output=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_force_keeps_what_the_command_reads(run, tmp_path):
    for inputs in ({"shards": run.parent / "shards", "init": run}, {"shards": run / "shards"}):
        if not (run / "shards").exists():
            (run / "shards").symlink_to(run.parent / "shards")
        before = sorted(path.name for path in run.iterdir())
        output = run if "init" in inputs else run.parent
        with pytest.raises(ConfigError, match="would remove it"):
            pretrain(recipe(), output=output, force=True, **inputs)
        assert sorted(path.name for path in run.iterdir()) == before
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ConfigError, match=r"holds thesis\.txt"):
        pretrain(recipe(), shards=run.parent / "shards", output=tmp_path, force=True)
    assert (tmp_path / "thesis.txt").exists()


def test_init_takes_other_dropout_and_refuses_other_sizes(run, tmp_path):
    shards = run.parent / "shards"
    settings = [*SHORT, "encoder.hidden_dropout_prob=0.3"]
    done = pretrain(recipe(), shards=shards, init=run, output=tmp_path / "a", settings=settings)
    assert load_recipe(tmp_path / "a" / "recipe.toml").encoder.hidden_dropout_prob == 0.3
    assert load_parts(done.model).encoder.config.hidden_dropout_prob == 0.3
    for name in ("hidden_size=128", "num_hidden_layers=7", "initialization=published"):
        with pytest.raises(ConfigError, match=f"encoder.{name.split('=')[0]} cannot be set"):
            pretrain(
                recipe(),
                shards=shards,
                init=run,
                output=tmp_path / "b",
                settings=[f"encoder.{name}"],
            )
    assert not (tmp_path / "b").exists()


def test_init_takes_the_dropout_of_a_recipe_file_and_not_of_a_named_recipe(run, tmp_path):
    (tmp_path / "mine.toml").write_text(
        to_toml(recipe("encoder.hidden_dropout_prob=0.25", "training.steps=1"))
    )
    given = {"shards": run.parent / "shards", "init": run}
    pretrain(tmp_path / "mine.toml", output=tmp_path / "a", **given)
    assert load_recipe(tmp_path / "a" / "recipe.toml").encoder.hidden_dropout_prob == 0.25
    settings = ["training.steps=1", "training.tokens=none", "sampler.max_length=32"]
    pretrain("bert-tiny", output=tmp_path / "b", settings=settings, **given)
    own = load_parts(run).encoder.config.hidden_dropout_prob
    assert load_recipe(tmp_path / "b" / "recipe.toml").encoder.hidden_dropout_prob == own


def test_what_the_model_of_init_lacks_begins_by_the_seed(run, tmp_path):
    parts = load_parts(run)
    bare = {k: v for k, v in parts.tensors.items() if "pooler" not in k}
    config = json.loads((run / "model" / "config.json").read_text())
    write_model(tmp_path, bare, config, parts.tokenizer, "")
    given = {"shards": run.parent / "shards", "init": tmp_path, "settings": ["training.steps=1"]}
    once, again, other = (
        load_tensors(
            pretrain(recipe(), output=tmp_path / name, seed=seed, **given).model
            / "model.safetensors"
        )["bert.pooler.dense.weight"]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert torch.equal(once, again)
    assert not torch.allclose(once, other, atol=1e-2)


def test_init_begins_with_the_weights_of_the_model(run, tmp_path, monkeypatch):
    seen = {}

    def stop(self):
        seen.update(self.updater.learner.encoder.state_dict())
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "run", stop)
    with pytest.raises(KeyboardInterrupt):
        pretrain(recipe(), shards=run.parent / "shards", init=run, output=tmp_path / "new")
    saved = load_parts(run).encoder.state_dict()
    assert all(torch.equal(seen[name], saved[name]) for name in saved)


def test_init_with_another_tokenizer_is_refused(run, tmp_path):
    tokenizer(80).save(tmp_path / "other")
    with pytest.raises(DataError, match="not the tokenizer of the model"):
        pretrain(
            recipe(),
            shards=run.parent / "shards",
            init=run,
            tokenizer=tmp_path / "other",
            output=tmp_path / "new",
        )


def test_settings_that_would_do_nothing_are_refused(run, tmp_path):
    with pytest.raises(ConfigError, match="shards bring a tokenizer"):
        pretrain(
            recipe(),
            shards=run.parent / "shards",
            output=tmp_path / "new",
            settings="tokenizer.vocab_size=99",
        )
    with pytest.raises(ConfigError, match="give one"):
        pretrain(recipe(), shards=run.parent / "shards", output=run, resume=True, force=True)


def test_another_sampler_leaves_the_settings_of_the_first(tmp_path):
    config = load_recipe(recipe(), ["objectives.nsp=none", "sampler.kind=text_block"])
    assert config.sampler.kind == "text_block"
    (tmp_path / "own.toml").write_text(to_toml(config))
    assert load_recipe(tmp_path / "own.toml") == config
    with pytest.raises(ConfigError, match="random_rate"):
        load_recipe(config, ["sampler.kind=text_block", "sampler.random_rate=0.5"])
