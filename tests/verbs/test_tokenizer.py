"""``gloze tokenizer``: from files to a folder that other tools read."""

from __future__ import annotations

import json

import pytest

from gloze.cli import main
from gloze.core.errors import ConfigError, DataError, WriteError
from gloze.tokenizers import TokenizerConfig, load_tokenizer
from gloze.verbs.tokenizer import learn
from tests.tokenizers.small import TEXT

SMALL = TokenizerConfig(vocab_size=80)


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(TEXT * 3), encoding="utf-8")
    return path


def test_a_corpus_becomes_a_folder_and_a_summary_that_names_the_next_step(corpus, tmp_path):
    summary = learn([corpus], output=tmp_path / "vocab", config=SMALL)
    assert load_tokenizer(tmp_path / "vocab").fingerprint == summary.fingerprint
    assert (summary.vocab_size, summary.documents) == (80, 1)
    assert f"gloze prepare CORPUS --tokenizer {tmp_path / 'vocab'}" in str(summary)
    assert json.loads(json.dumps(summary.to_dict()))["path"] == str(tmp_path / "vocab")


def test_the_same_corpus_twice_writes_the_same_bytes(corpus, tmp_path):
    for name in ("one", "two"):
        learn([corpus], output=tmp_path / name, config=SMALL)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_an_existing_folder_is_kept_unless_force_is_said(corpus, tmp_path):
    output = tmp_path / "vocab"
    output.mkdir()
    (output / "mine").touch()
    with pytest.raises(ConfigError, match="exists already"):
        learn([corpus], output=output, config=SMALL)
    assert (output / "mine").exists()
    with pytest.raises(ConfigError, match="holds mine"):
        learn([corpus], output=output, config=SMALL, force=True)
    (output / "mine").rename(output / "vocab.txt")
    learn([corpus], output=output, config=SMALL, force=True)
    assert (output / "vocab.txt").stat().st_size > 0


def test_what_fails_leaves_nothing_behind(corpus, tmp_path):
    with pytest.raises(DataError):
        learn([tmp_path / "absent.txt"], output=tmp_path / "vocab", config=SMALL)
    with pytest.raises(DataError, match="supports"):
        learn([corpus], output=tmp_path / "vocab", config=TokenizerConfig(vocab_size=999))
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]


def test_a_place_that_cannot_be_written_is_named(corpus):
    with pytest.raises(WriteError, match=r"corpus.txt.*[Cc]hoose another"):
        learn([corpus], output=corpus / "vocab", config=SMALL)


@pytest.mark.parametrize("kind", ["bpe", "byte_bpe"])
def test_byte_pairs_are_learned_and_prepared_with_by_the_command_line(kind, tmp_path, capsys):
    corpus, vocab = tmp_path / "corpus.txt", tmp_path / "vocab"
    # One letter of these is too rare to be kept where letters are.
    corpus.write_text("\n".join([*TEXT * 3, "the cat, z"]), encoding="utf-8")
    size = {"bpe": 70, "byte_bpe": 300}[kind]
    limit = ["--limit-alphabet", "30"] if kind == "bpe" else []
    command = [str(corpus), "-o", str(vocab), "--kind", kind, "--vocab-size", str(size)]
    assert main(["tokenizer", *command, *limit, "--json"]) == 0
    out, told = capsys.readouterr()
    assert json.loads(out)["vocab_size"] == size
    assert "pairs were joined" in told
    assert (vocab / "merges.txt").read_text(encoding="utf-8").startswith("#version")
    shards = [str(corpus), "-o", str(tmp_path / "shards"), "--valid-fraction", "0", "--json"]
    assert main(["prepare", *shards, "--tokenizer", str(vocab)]) == 0
    unknown = json.loads(capsys.readouterr().out)["unknown_rate"]
    assert (unknown > 0) == (kind == "bpe")
    assert main(["tokenizer", *command, "--split", "spaces", "--force"]) == 2
    assert f"{kind} cuts text by a rule of its own" in capsys.readouterr().err
