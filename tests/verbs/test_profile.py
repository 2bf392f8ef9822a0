"""The profile of a step: time is counted where it is spent, and nothing is left behind."""

import json
import time

import pytest

import gloze
from gloze import cli
from gloze.config.toml import to_toml
from gloze.core.errors import ConfigError
from gloze.nn import attention
from gloze.objectives.mlm import MaskedLM
from gloze.training.profile import PARTS
from gloze.training.update import Updater
from gloze.verbs.profile import profile
from tests.small import recipe, write_shards
from tests.verbs.test_pretrain import write_corpus


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("profile") / "shards")


def slow(monkeypatch, place, name, seconds):
    plain = getattr(place, name)

    def slowed(*given, **named):
        time.sleep(seconds)
        return plain(*given, **named)

    monkeypatch.setattr(place, name, slowed)


@pytest.mark.parametrize(
    ("part", "place", "name", "calls"),
    [
        ("attention", attention, "attend", 2 * 2),
        ("head", MaskedLM, "forward", 2),
        ("optimizer", Updater, "apply", 1),
    ],
)
def test_time_is_counted_where_it_is_spent(shards, monkeypatch, part, place, name, calls):
    # Two layers and two micro-batches a step; more than a busy machine may add elsewhere.
    slow(monkeypatch, place, name, 0.24 / calls)
    found = profile(recipe(), shards=shards, steps=3)
    assert list(found.seconds) == list(PARTS)
    assert found.seconds[part] >= 0.24 * 3
    assert max(found.seconds, key=found.seconds.get) == part


def test_backward_passes_count_for_their_part(shards):
    found = profile(recipe(), shards=shards, steps=5)
    assert all(found.seconds[part] > 0 for part in PARTS)
    assert found.tokens_per_second == pytest.approx(found.tokens / sum(found.seconds.values()))
    assert 5 * 128 < found.tokens <= 5 * 256


def test_nothing_stays_behind(shards, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    profile(recipe(), shards=shards, steps=1)
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_is_prepared_elsewhere_and_the_command_line_says_the_same(
    tmp_path, monkeypatch, capsys
):
    write_corpus(tmp_path / "corpus.txt")
    (tmp_path / "small.toml").write_text(to_toml(recipe("tokenizer.vocab_size=80")))
    monkeypatch.chdir(tmp_path)
    words = ["pretrain", "small.toml", "--corpus", "corpus.txt", "--profile"]
    assert cli.main(words) == 0
    table = capsys.readouterr().out
    assert all(part in table for part in (*PARTS, "tokens/s", "a step"))
    assert cli.main([*words, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["seconds"]) == set(PARTS)
    assert {path.name for path in tmp_path.iterdir()} == {"corpus.txt", "small.toml"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--profile", "-o", "run"], "--profile writes nothing: --output"),
        (["--profile", "--resume"], "--resume has no place"),
        ([], "Name the run folder to write"),
    ],
)
def test_a_profile_has_no_output_and_a_run_needs_one(shards, capsys, words, message):
    assert cli.main(["pretrain", "bert-tiny", "--shards", str(shards), *words]) == 2
    assert message in capsys.readouterr().err


def test_impossible_calls_are_refused(shards):
    with pytest.raises(ConfigError, match="one source of text"):
        gloze.profile(recipe())
    with pytest.raises(ConfigError, match="at least one"):
        gloze.profile(recipe(), shards=shards, steps=0)
