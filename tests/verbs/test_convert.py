"""gloze convert: what it refuses, what it replaces, what it tells."""

import json

import pytest
import torch

import gloze
from gloze.checkpoint import load_parts, write_model
from gloze.cli import main
from gloze.core.errors import ConfigError
from tests.interop.models import copy_with, same_tensors, save_large
from tests.small import tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_large(tmp_path_factory.mktemp("ours") / "model")


def test_the_command_gives_the_bytes_of_the_function(model, tmp_path, capsys):
    words = ["convert", str(model), "-o", str(tmp_path / "a"), "--to", "google", "--json"]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    result = gloze.convert(model, output=tmp_path / "b", to="google")
    assert said == {**result.to_dict(), "path": str(tmp_path / "a")}
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "b").iterdir())
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_nothing_is_replaced_but_what_it_wrote(model, tmp_path):
    for to in ("google", "sentence-transformers", "huggingface"):
        gloze.convert(model, output=tmp_path / "x", to=to, force=to != "google")
        with pytest.raises(ConfigError, match="exists already"):
            gloze.convert(model, output=tmp_path / "x", to=to)
    (tmp_path / "x" / "thesis.doc").write_text("")
    with pytest.raises(ConfigError, match=r"holds thesis\.doc"):
        gloze.convert(model, output=tmp_path / "x", force=True)
    gloze.convert(model, output=tmp_path / "y")
    with pytest.raises(ConfigError, match="would remove it"):
        gloze.convert(tmp_path / "y", output=tmp_path / "y", force=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"to": "hugingface"}, "--to hugingface: Did you mean 'huggingface'"),
        ({"to": "sentence-transformers", "pool": "sum"}, "--pool sum: it is one of mean, cls, max"),
        ({"pool": "mean"}, "huggingface has no place for them"),
        ({"normalize": False}, "huggingface has no place for them"),
        ({"cased": True}, "says itself whether capitals are kept"),
    ],
)
def test_what_cannot_be_done_is_refused(model, tmp_path, call, message):
    with pytest.raises(ConfigError, match=message):
        gloze.convert(model, output=tmp_path / "x", **call)
    assert not (tmp_path / "x").exists()


def test_googles_code_is_not_given_a_tokenizer_it_does_not_know(model, tmp_path):
    copy = copy_with(model, tmp_path / "c", "config.json")
    text = (copy / "tokenizer.json").read_text().replace("[MASK]", "[BLANK]")
    (copy / "tokenizer.json").write_text(text)
    (copy / "special_tokens_map.json").unlink()
    settings = json.loads((copy / "tokenizer_config.json").read_text())
    (copy / "tokenizer_config.json").write_text(json.dumps({**settings, "mask_token": "[BLANK]"}))
    with pytest.raises(ConfigError, match=r"BERT's WordPiece alone; this is .* \[BLANK\]"):
        gloze.convert(copy, output=tmp_path / "x", to="google")


def test_googles_code_is_not_given_a_weight_it_has_no_place_for(model, tmp_path):
    parts = load_parts(model)
    (tmp_path / "c").mkdir()
    odd = {"heads.tagging.crf.transitions": torch.ones(3, 3)}
    write_model(tmp_path / "c", parts.tensors | odd, parts.config, tokenizer(), "")
    with pytest.raises(ConfigError, match=r"no place for the weight .*crf\.transitions"):
        gloze.convert(tmp_path / "c", output=tmp_path / "x", to="google")
    gloze.convert(tmp_path / "c", output=tmp_path / "y")
    assert same_tensors(tmp_path / "c", tmp_path / "y")


def test_what_google_computes_otherwise_is_told(tmp_path):
    save_large(tmp_path / "m", "encoder.layer_norm_eps=1e-5", "encoder.hidden_act=gelu_new")
    notes = gloze.convert(tmp_path / "m", output=tmp_path / "x", to="google").notes
    assert notes[0] == "Google's scripts take it with --do_lower_case=true."
    assert "1e-12 in its norms, this model 1e-05" in notes[1]
    assert len(notes) == 2
    save_large(tmp_path / "n")
    notes = gloze.convert(tmp_path / "n", output=tmp_path / "y", to="google").notes
    assert "approximates GELU by tanh" in notes[1]


def test_whether_capitals_are_kept_can_be_said(model, tmp_path, capsys):
    gloze.convert(model, output=tmp_path / "google", to="google")
    copy = copy_with(tmp_path / "google", tmp_path / "bare", "bert_config.json")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (copy / name).unlink()
    for flag, is_cased in (("--cased", True), ("--uncased", False)):
        capsys.readouterr()
        assert main(["convert", str(copy), "-o", str(tmp_path / flag), flag]) == 0
        assert "capitals are kept" not in capsys.readouterr().err
        assert load_parts(tmp_path / flag).tokenizer.is_cased is is_cased
