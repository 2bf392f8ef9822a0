"""``gloze quickstart``: the whole path, on a library and with settings small enough for a test."""

from __future__ import annotations

import json
import math

import pytest
import torch

from gloze import cli
from gloze.core.errors import ConfigError, DataError
from gloze.data.shards import Shards
from gloze.recipes.quickstart import classification, pretraining
from gloze.report.quickstart import Arm
from gloze.verbs.quickstart import BLANKS, quickstart

TINY = (
    "training.tokens=6000",
    "training.evaluations=2",
    "encoder.num_hidden_layers=1",
    "encoder.hidden_size=64",
    "encoder.num_attention_heads=1",
    "encoder.intermediate_size=64",
)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quickstart") / "out"
    short = ("training.epochs=0.05", "training.evaluations=1")
    threads = torch.get_num_threads()
    result = quickstart(folder, seeds=2, pretrain_settings=TINY, finetune_settings=short)
    assert torch.get_num_threads() == threads
    return result


def test_everything_lies_where_the_result_says(done):
    assert done.report.is_file()
    assert (done.path / "results.json").is_file()
    for name in ("corpus/corpus.txt", "tokenizer/vocab.txt", "shards/shards.json"):
        assert (done.path / name).is_file()
    for way in ("full", "none"):
        for seed in (0, 1):
            assert (
                done.path / "finetuned" / way / f"seed-{seed}/model/model.safetensors"
            ).is_file()


def test_the_json_says_what_the_result_says(done):
    saved = json.loads((done.path / "results.json").read_text(encoding="utf-8"))
    assert saved == json.loads(json.dumps(done.to_dict()))
    names = [arm["name"] for arm in saved["arms"]]
    assert names[1:] == ["random weights", "pre-trained"]
    values = saved["arms"][2]["accuracy"]["values"]
    assert len(values) == 2
    assert saved["arms"][2]["accuracy"]["mean"] == pytest.approx(sum(values) / 2)


def test_always_saying_the_most_frequent_area_is_right_as_often_as_it_is_asked(done):
    tables = {
        split: (done.path / f"corpus/{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]
        for split in ("train", "test")
    }
    labels = {split: [line.split("\t")[1] for line in lines] for split, lines in tables.items()}
    most = max(set(labels["train"]), key=labels["train"].count)
    share = labels["test"].count(most) / len(labels["test"])
    assert done.arms[0].accuracy == (pytest.approx(share),)
    assert most in done.arms[0].name


def test_all_labelled_docstrings_are_read_back(done):
    for split, count in done.examples.items():
        lines = (done.path / f"corpus/{split}.tsv").read_text(encoding="utf-8").splitlines()
        assert len(lines) == count + 1
    results = json.loads((done.path / "finetuned/full/results.json").read_text(encoding="utf-8"))
    assert results["seeds"][0]["figures"]["test"]["examples"] == done.examples["test"]


def test_the_report_shows_table_blanks_and_limits(done):
    page = done.report.read_text(encoding="utf-8")
    for text in ("random weights", "pre-trained", "cannot show", "held out", "<svg", *BLANKS[:1]):
        assert text in page
    assert "<script" not in page
    assert len(done.blanks) == len(BLANKS)
    assert all(len(guesses) == 5 for _, guesses in done.blanks)


def test_the_terminal_shows_the_table_and_where_the_report_lies(done):
    text = str(done)
    assert "test accuracy" in text
    assert "±" in text
    assert str(done.report) in text


def test_an_earlier_result_is_replaced_only_with_force_and_nothing_else_is_touched(
    done, tmp_path, monkeypatch
):
    with pytest.raises(ConfigError, match="--force"):
        quickstart(done.path)
    mine = tmp_path / "out" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    (tmp_path / "out" / "report.html").write_text("old")
    with pytest.raises(DataError, match="no Python sources"):
        quickstart(tmp_path / "out", library=tmp_path / "nothing", force=True)
    assert mine.read_text() == "mine"
    assert not (tmp_path / "out" / "report.html").exists()


def test_the_command_line_passes_everything_on(monkeypatch, tmp_path):
    asked = {}
    monkeypatch.setattr("gloze.verbs.quickstart.quickstart", lambda *a, **k: asked.update(k, o=a))
    words = ["quickstart", "-o", str(tmp_path), "--seed", "4", "--seeds", "2", "--force"]
    assert cli.main(words) == 0
    assert asked == {"o": (tmp_path,), "seed": 4, "seeds": 2, "force": True}


def test_the_control_differs_in_its_weights_alone():
    full, none = classification("full"), classification("none")
    assert (full.task, full.training, full.seed) == (none.task, none.training, none.seed)


def test_the_recipe_is_a_bert_tiny():
    config = pretraining()
    assert (config.encoder.num_hidden_layers, config.encoder.hidden_size) == (2, 128)
    assert config.objectives.mlm is not None
    assert config.objectives.nsp is not None


def test_the_loss_by_frequency_is_that_of_the_counted_tokens(done):
    train, valid = (Shards.open(done.path / "shards", split) for split in ("train", "valid"))
    counts = [1] * 4000
    for token in train.tokens.tolist():
        counts[token] += 1
    expected = -sum(math.log(counts[token] / sum(counts)) for token in valid.tokens.tolist())
    assert done.unigram_loss == pytest.approx(expected / valid.num_tokens)
    page = (done.path / "pretrained" / "report.html").read_text(encoding="utf-8")
    assert "held-out loss by frequency alone" in page


def test_gain_is_the_difference_of_the_means(done):
    low, high = done.arms[1].accuracy, done.arms[2].accuracy
    assert done.gain == pytest.approx((sum(high) - sum(low)) / 2)
    assert Arm("a", (0.5,), (0.25,), (1.0,), 0.0).cells == ("a", "0.5000", "0.2500", "", "")


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_pretraining_helps_clearly(tmp_path):
    result = quickstart(tmp_path / "out")
    assert result.held_out["mlm_loss"] < result.unigram_loss - 1.5
    assert min(result.arms[2].accuracy) > max(result.arms[1].accuracy)
