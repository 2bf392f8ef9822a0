"""Minimal pairs: language models of every kind say which sentence is likelier."""

import gzip
import json

import numpy as np
import pytest

import gloze
from gloze.checkpoint import load_language_model, save_model
from gloze.cli import main
from gloze.config.build import build_learner
from gloze.core.errors import ConfigError, DataError
from gloze.inference.likelihood import log_likelihoods
from gloze.verbs.evaluate_pairs import Pair, differences, pair_figures, read_pairs
from gloze.verbs.pretrain import pretrain
from tests.small import recipe, tokenizer, write_shards
from tests.tiny import write
from tests.verbs.test_gpt import SETTINGS
from tests.verbs.test_lstm import SMALL, TWO_WAY

GOOD = ["the cat sees the red house.", "my sister likes warm bread.", "every child paints."]
BAD = ["red cat the the house sees.", "bread likes my warm sister.", "paints child every."]
SYSTEMS = {
    "gpt-small": ("gpt-small", SETTINGS),
    "elmo": ("lstm-lm", [*SMALL, *TWO_WAY, "training.steps=2"]),
    "backward": ("lstm-lm", [*SMALL, "encoder.direction=right_to_left", "training.steps=2"]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pairs")


@pytest.fixture(scope="module")
def runs(folder):
    shards = write_shards(folder / "shards", count=120)
    return {
        name: pretrain(of, shards=shards, output=folder / name, settings=settings).path
        for name, (of, settings) in SYSTEMS.items()
    }


@pytest.fixture(scope="module")
def bert(folder):
    _, learner = build_learner(recipe(), tokenizer())
    save_model(folder / "bert", learner, tokenizer(), card="")
    return folder / "bert"


def lines(pairs, **more):
    return "".join(
        json.dumps({"sentence_good": good, "sentence_bad": bad, **more}) + "\n"
        for good, bad in pairs
    )


def test_a_language_model_knows_sentences_from_shuffled_ones(runs, tmp_path, capsys):
    pairs = list(zip(GOOD, BAD, strict=True))
    turned = [(bad, good) for good, bad in pairs[:1]]
    text = lines(pairs, UID="order") + lines(turned, UID="turned")
    path, run = write(tmp_path / "pairs.jsonl", text), runs["gpt-small"]
    found = gloze.evaluate(run, path, format="blimp", device="cpu")
    figures = found.figures["-"]
    assert (figures["examples"], figures["accuracy"], figures["ties"]) == (4, 0.75, 0)
    assert figures["types"]["order"] == {"examples": 3, "accuracy": 1.0, "ties": 0}
    assert figures["types"]["turned"] == {"examples": 1, "accuracy": 0.0, "ties": 0}
    assert main(["evaluate", str(run), "--data", str(path), "--format", "blimp"]) == 0
    shown = capsys.readouterr().out
    assert shown.split() == str(found).split()
    assert {"accuracy", "0.7500", "order", "1.0000", "turned", "0.0000"} <= set(shown.split())


@pytest.mark.parametrize("name", ["elmo", "backward"])
def test_models_that_read_from_the_right_are_judged_by_what_they_read(runs, name, tmp_path):
    path = write(tmp_path / "pairs.jsonl", lines(zip(GOOD, BAD, strict=True)))
    found = gloze.evaluate(runs[name], path, format="blimp", device="cpu")
    model = load_language_model(runs[name])
    good, bad = (log_likelihoods(model, texts) for texts in (GOOD, BAD))
    tokens = model.tokenizer.encode(GOOD)[1]
    assert good.tokens.tolist() == (tokens * (2 if name == "elmo" else 1)).tolist()
    assert found.figures["-"]["accuracy"] == pytest.approx((good.sums > bad.sums).mean())


def test_a_masked_lm_compares_by_pseudo_log_likelihood(bert, tmp_path):
    with gzip.open(tmp_path / "pairs.jsonl.gz", "wt") as file:
        file.write(lines(zip(GOOD, BAD, strict=True)))
    found = gloze.evaluate(bert, tmp_path / "pairs.jsonl.gz", format="blimp", device="cpu")
    model = load_language_model(bert, masked=True)
    good, bad = (log_likelihoods(model, texts).sums for texts in (GOOD, BAD))
    assert found.figures["-"]["accuracy"] == (good > bad).mean()
    assert "types" not in found.figures["-"]
    pairs = [Pair(*pair, "") for pair in zip(GOOD, BAD, strict=True)]
    assert differences(model, pairs) == pytest.approx(good - bad, abs=1e-3)
    by_word = [log_likelihoods(model, x, within_word_l2r=True).sums for x in (GOOD, BAD)]
    ahead = differences(model, pairs, within_word_l2r=True)
    assert ahead == pytest.approx(by_word[0] - by_word[1], abs=1e-3)
    assert len(differences(model, [])) == 0


def test_texts_of_the_same_tokens_are_ties_and_count_half(bert, runs, tmp_path):
    # The small vocabulary is lower-cased, and has neither of the two signs.
    same = [("The Cat sees.", "the cat sees."), ("a ☃ dog", "a ☂ dog")]
    path = write(tmp_path / "pairs.jsonl", lines([*same, (GOOD[0], BAD[0])]))
    for model in (bert, runs["gpt-small"]):
        found = gloze.evaluate(model, path, format="blimp", device="cpu")
        figures = found.figures["-"]
        assert figures["ties"] == 2
        assert figures["accuracy"] in (1 / 3, 2 / 3)
        assert "2 pairs are equally likely; they count half" in str(found)
    assert pair_figures([Pair("", "", "")] * 4, np.array([0, 1.0, -1.0, 2.0])) == {
        "examples": 4, "accuracy": 0.625, "ties": 1,
        "note": "1 pairs are equally likely; they count half.",
    }  # fmt: skip


def test_columns_may_have_other_names(tmp_path):
    path = write(tmp_path / "own.jsonl", '{"yes": "a b", "no": "b a", "kind": "order"}\n')
    assert read_pairs(path, "good=yes,bad=no,type=kind") == [Pair("a b", "b a", "order")]
    assert read_pairs(path, {"good": "yes", "bad": "no"}) == [Pair("a b", "b a", "")]
    with pytest.raises(ConfigError, match=r"no role 'god'\. Did you mean 'good'"):
        read_pairs(path, "god=yes")
    with pytest.raises(DataError, match=r"own\.jsonl:1 column 'sentence_good': no text"):
        read_pairs(path)
    with pytest.raises(DataError, match="column 'sort'"):
        read_pairs(path, "good=yes,bad=no,type=sort")


def test_what_cannot_be_judged_is_refused(bert, tmp_path, minilm, capsys):
    path = write(tmp_path / "pairs.jsonl", lines([(GOOD[0], BAD[0])]))
    words = ["evaluate", str(minilm), "--data", str(path), "--format", "blimp"]
    assert main(words) == 2
    assert "no head of a language model" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="--against compares runs of a task"):
        gloze.evaluate(bert, path, format="blimp", against=bert)
    broken = write(tmp_path / "broken.jsonl", '{"sentence_good": "a"}\n')
    assert main(["evaluate", str(bert), "--data", str(broken), "--format", "blimp"]) == 3
    assert "broken.jsonl:1 column 'sentence_bad'" in capsys.readouterr().err


def test_the_published_pairs_are_read_in_full(shared_data):
    for path in sorted((shared_data / "blimp").glob("*.jsonl.gz")):
        pairs = read_pairs(path)
        assert len(pairs) == 1000
        assert {pair.type for pair in pairs} == {path.name.partition(".")[0].replace("-", "_")}
        # Two were published with the same sentence on both sides.
        same = sum(pair.good == pair.bad for pair in pairs)
        assert same == (2 if path.name.startswith("passive") else 0)
