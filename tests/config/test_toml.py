"""Recipes from outside: what is unknown, mistyped or impossible is named with its cure."""

import pytest

from gloze.config.runs import save_resolved
from gloze.config.toml import override, to_toml
from gloze.core.errors import ConfigError
from gloze.recipes import RECIPES, load_recipe
from gloze.recipes.finetuning import load_finetuning


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_survives_the_trip_through_toml(tmp_path, name):
    recipe = load_recipe(name)
    path = tmp_path / "recipe.toml"
    path.write_text(to_toml(recipe))
    assert load_recipe(path) == recipe
    save_resolved(recipe, path)
    assert "[versions]" in path.read_text()
    assert load_recipe(path) == recipe


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "byte_bpe", "words"])
def test_the_kind_of_tokenizer_is_a_setting_that_survives_the_trip(tmp_path, kind):
    recipe = load_recipe("bert-mini", [f"tokenizer.kind={kind}"])
    path = tmp_path / "recipe.toml"
    path.write_text(to_toml(recipe))
    assert load_recipe(path).tokenizer == recipe.tokenizer
    assert (recipe.tokenizer.kind, recipe.tokenizer.cased) == (kind, kind == "byte_bpe")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("encoder.hiden_size=5", r"encoder\.hiden_size: 'hiden_size'\. Did you mean 'hidden_size'"),
        ("sampler.max_lenght=5", r"sampler\.max_lenght.*Did you mean 'max_length'"),
        ("objectives.mlm.masked_rat=0.5", r"objectives\.mlm\.masked_rat.*mean 'masked_rate'"),
        ("objectives.mml.rate=0.5", r"objectives\.mml.*Did you mean 'mlm'"),
        ("trainig.steps=5", r"trainig.*Did you mean 'training'"),
        ("training.steps=many", r"training\.steps is 'many'"),
        ("encoder.direction=up", r"encoder\.direction is 'up'.*bidirectional"),
        ("sampler.kind=segment_pairs", r"sampler.*segment_pair"),
        ("tokenizer.vocab_size=big", r"tokenizer\.vocab_size is 'big'"),
        ("tokenizer.kind=bytes", r"tokenizer\.kind is 'bytes'.*byte_bpe"),
        ("sampler.max_length=600", r"max_length 600 is over encoder\.max_position_embeddings 512"),
        ("encoder.direction=left_to_right", r"mlm objective fills blanks from both sides"),
        ("sampler.kind=text_block", r"nsp objective asks whether B follows A"),
        ("training.tokens=inf", r"training\.tokens"),
        ("training.minutes=nan", r"training\.minutes is nan; it must be a finite number"),
        ("objectives.mlm.weight=-1", r"objectives\.mlm\.weight is -1.0; it must be over 0"),
        ("encoder.type_vocab_size=1", r"type_vocab_size is 1\. Set it to 2"),
        ("encoder.layer_norm_eps=-1", r"encoder\.layer_norm_eps is -1.0; it must be over 0"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_meant(change, message):
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        load_recipe("bert-tiny", [change])


def test_blocks_without_pairs_are_a_recipe():
    recipe = load_recipe(
        "bert-tiny",
        ["sampler={kind='text_block', max_length=64}", "objectives.nsp=none"],
    )
    assert recipe.sampler.kind == "text_block"
    assert [name for name, _ in recipe.objectives.items()] == ["mlm"]


def test_a_recipe_without_an_objective_is_refused():
    with pytest.raises(ConfigError, match="No objective"):
        load_recipe("bert-tiny", ["objectives.mlm=none", "objectives.nsp=none"])


def test_an_unknown_recipe_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Unknown recipe 'bert-mimi'. Did you mean 'bert-mini'"):
        load_recipe("bert-mimi")


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: no such file"):
        load_recipe(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = [1,\n b")
    with pytest.raises(ConfigError, match=r"bad\.toml: not valid TOML.*line 2"):
        load_recipe(tmp_path / "bad.toml")


def test_a_file_with_an_unknown_setting_is_named(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(to_toml(load_recipe("bert-tiny")).replace("hidden_size", "hidden_sise"))
    with pytest.raises(ConfigError, match=r"mine\.toml: .*hidden_sise.*'hidden_size'"):
        load_recipe(path)


def test_values_are_read_as_toml_and_bare_words_as_text():
    changed = override({}, ["a.b=1", "a.c=1.5", "a.d=true", "a.e=word", "f=[1, 2]"])
    assert changed == {"a": {"b": 1, "c": 1.5, "d": True, "e": "word"}, "f": [1, 2]}


@pytest.mark.parametrize("change", ["steps", "=5", "a.b.c=1"])
def test_a_malformed_change_is_refused(change):
    with pytest.raises(ConfigError, match="--set"):
        override({"a": {"b": 1}}, [change])


def test_none_removes_a_setting_unless_it_is_a_word_that_the_setting_has():
    changes = ["task.scheme=none", "encoder.hidden_dropout_prob=none"]
    config = load_finetuning(None, changes, task="tagging", hidden_size=128)
    assert config.task.scheme == "none"
    assert config.encoder.hidden_dropout_prob is None
