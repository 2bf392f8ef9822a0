"""Google's checkpoints: the outputs they must give, what they leave open, what does not fit."""

import json
import shutil

import numpy as np
import pytest
import torch

import gloze
from gloze.checkpoint import load, load_parts, load_task, start_from
from gloze.cli import main
from gloze.core.errors import ConfigError, DataError
from gloze.interop.google_bert import find_checkpoint
from gloze.interop.tensor_bundle import read_bundle, write_bundle
from tests.interop.models import batch_of_pair, copy_with, same_tensors, save_large
from tests.verbs.labelled import FAST, write_tsv


@pytest.fixture(scope="module")
def toy(shared_data):
    return shared_data / "checkpoints" / "bert-toy-tf"


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return save_large(tmp_path_factory.mktemp("ours") / "model")


@pytest.fixture(scope="module")
def google(ours, tmp_path_factory):
    """The same model as Google's files."""
    folder = tmp_path_factory.mktemp("google") / "plain"
    gloze.convert(ours, output=folder, to="google")
    return folder


def changed(google, copy, change):
    """Copy the checkpoint with its tensors changed by a function of them."""
    copy_with(google, copy, "bert_config.json")
    tensors, _ = read_bundle(copy / "bert_model.ckpt", lambda name: True)
    write_bundle(copy / "bert_model.ckpt", change(tensors))
    return copy


def outputs(model, ids, types):
    batch = batch_of_pair(ids, types)
    with torch.inference_mode():
        states = model.encoder(batch)
        return {
            "embedding_output": states[0],
            "layer_1_output": states[1],
            "sequence_output": states[2],
            "pooled_output": model.encoder.pooler(states[-1], batch)[0],
            "mlm_logits": model.heads["mlm"].scores(states[-1]),
            "nsp_logits": model.heads["nsp"].scores(states, batch)[0],
        }


@pytest.mark.parametrize("kind", ["erf", "tanh"])
def test_googles_toy_gives_the_expected_outputs(toy, tmp_path, kind):
    approximate = "tanh" if kind == "tanh" else "none"
    model = load(copy_with(toy, tmp_path / "c", "bert_config.json", gelu_approximate=approximate))
    expected = json.loads((toy / "expected-outputs.json").read_text())
    for each in (e for e in expected if e["gelu"] == kind):
        real = sum(each["attention_mask"])
        ids, types = each["input_ids"][:real], each["token_type_ids"][:real]
        assert model.tokenizer.tokens(ids) == each["tokens"][:real]
        for name, found in outputs(model, ids, types).items():
            # Of padding nothing is computed.
            reference = each[name][:real] if found.ndim > 1 else each[name]
            assert np.abs(found.numpy() - np.array(reference)).max() < 2e-6, name


def test_what_is_passed_over_and_assumed_is_said_once(toy, tmp_path, capsys):
    shutil.copytree(toy, tmp_path / "named_chinese_L-2")
    for _ in range(2):
        parts = load_parts(tmp_path / "named_chinese_L-2")
    said = capsys.readouterr().err
    assert said.count("46 weights; passed over: 93 of the optimizer, 0 unknown") == 1
    assert "capitals are kept is taken from the name of the folder" in said
    assert "GELU is taken by the error function" in said
    assert not parts.unknown


def test_a_checkpoint_says_itself_what_ours_wrote_into_it(google, capsys):
    load_parts(google)
    said = capsys.readouterr().err
    assert "capitals" not in said
    assert "GELU" not in said


@pytest.mark.parametrize("act", ["gelu", "gelu_new"])
def test_what_is_written_comes_back_bit_for_bit(tmp_path, act):
    folder = save_large(tmp_path / "m", f"encoder.hidden_act={act}")
    gloze.convert(folder, output=tmp_path / "google", to="google")
    gloze.convert(tmp_path / "google", output=tmp_path / "back")
    for each in ("google", "back"):
        assert same_tensors(folder, tmp_path / each)
        assert load_parts(tmp_path / each).encoder.config == load_parts(folder).encoder.config
    config = json.loads((tmp_path / "google" / "bert_config.json").read_text())
    # Google's code knows gelu alone.
    assert config["hidden_act"] == "gelu"
    weights = "model.safetensors"
    assert (tmp_path / "back" / weights).read_bytes() == (folder / weights).read_bytes()


def test_googles_toy_written_again_has_its_tensors_under_its_names(toy, tmp_path):
    gloze.convert(toy, output=tmp_path / "google", to="google")
    before, _ = read_bundle(toy / "bert_model.ckpt", lambda name: True)
    after, _ = read_bundle(tmp_path / "google" / "bert_model.ckpt", lambda name: True)
    assert set(after) == {name for name in before if "/adam_" not in name} - {"global_step"}
    assert all(np.array_equal(before[name], tensor) for name, tensor in after.items())
    config = json.loads((toy / "bert_config.json").read_text())
    written = json.loads((tmp_path / "google" / "bert_config.json").read_text())
    theirs = {k for k in config if not k.startswith("pooler_") and k != "directionality"}
    assert {k: written[k] for k in theirs} == {k: config[k] for k in theirs}
    assert (tmp_path / "google" / "vocab.txt").read_text().split() == (
        toy / "vocab.txt"
    ).read_text().split()


@pytest.mark.parametrize(
    ("name", "is_cased"),
    [
        ("uncased_L-12_H-768_A-12", False),
        ("wwm_uncased_L-24_H-1024_A-16", False),
        ("cased_L-12_H-768_A-12", True),
        ("multi_cased_L-12_H-768_A-12", True),
        ("chinese_L-12_H-768_A-12", False),
        ("multilingual_L-12_H-768_A-12", False),
        ("showcased", False),
        ("mine", False),
    ],
)
def test_capitals_follow_the_folders_name_as_in_googles_code(toy, tmp_path, name, is_cased):
    shutil.copytree(toy, tmp_path / name)
    assert load_parts(tmp_path / name).tokenizer.is_cased is is_cased


def test_capitals_follow_who_says_it_before_the_name(toy, tmp_path):
    folder = tmp_path / "cased_L-2"
    shutil.copytree(toy, folder)
    assert not load_parts(folder, cased=False).tokenizer.is_cased
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    assert not load_parts(folder).tokenizer.is_cased
    assert load_parts(folder, cased=True).tokenizer.is_cased


def test_the_other_heads_of_googles_scripts_are_read(google, tmp_path):
    """run_classifier.py and run_squad.py name theirs so."""

    def tuned(tensors):
        kept = {name: tensor for name, tensor in tensors.items() if name.startswith("bert/")}
        scorer = {"output_weights": np.ones((3, 32), np.float32), "output_bias": np.ones(3)}
        return kept | scorer | {f"cls/squad/{name}": t[:2] for name, t in scorer.items()}

    parts = load_parts(changed(google, tmp_path / "c", tuned))
    assert parts.tensors["heads.classification.output.weight"].shape == (3, 32)
    assert parts.tensors["heads.span.output.bias"].shape == (2,)
    gloze.convert(tmp_path / "c", output=tmp_path / "again", to="google")
    assert same_tensors(tmp_path / "c", tmp_path / "again")


def test_a_finetuning_begins_with_googles_checkpoint(google, tmp_path):
    train = write_tsv(tmp_path / "train.tsv", 24)
    run = tmp_path / "run"
    gloze.finetune("classification", model=google, train=train, output=run, settings=FAST)
    gloze.convert(run, output=tmp_path / "google", to="google")
    assert same_tensors(run, tmp_path / "google")
    # What the task learned goes along, and Google's code passes over it.
    texts = ["the cat sees it", "our teacher"]
    one, other = (load_task(each).predict(texts) for each in (run, tmp_path / "google"))
    assert one == other
    folders = (run, tmp_path / "google")
    one, other = (gloze.evaluate(each, train).figures for each in folders)
    assert one == other
    for each in folders:
        gloze.predict(each, train, output=tmp_path / f"{each.name}.csv")
    assert (tmp_path / "run.csv").read_text() == (tmp_path / "google.csv").read_text()


def test_a_pretraining_goes_on_from_googles_checkpoint(google):
    parts = start_from(google, ["encoder.hidden_dropout_prob=0.3"], google)
    assert parts.encoder.config.hidden_dropout_prob == 0.3
    before = load_parts(google).encoder.state_dict()
    assert all(torch.equal(before[name], t) for name, t in parts.encoder.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {k: v for k, v in t.items() if "layer_1/output/dense/b" not in k},
         r"bert_model\.ckpt\.index: the weight layers\.1\.output\.bias is missing"),
        (lambda t: {k: v for k, v in t.items() if "layer_1/attention/self/key/kernel" not in k},
         r"1\.attention\.query_key_value\.weight of shape \(32, 32\), and .* says \(96, 32\)"),
        (lambda t: {k: v for k, v in t.items() if "layer_1" not in k},
         r"1 layers, and bert_config\.json says 2"),
        (lambda t: {k: v for k, v in t.items() if "word_emb" not in k},
         r"index: the weight embeddings\.token_embeddings\.weight is missing"),
        (lambda t: {f"{k}/.ATTRIBUTES/VARIABLE_VALUE": v for k, v in t.items()},
         r"no weight of a BERT in it under the names of google-research/bert"),
        (lambda t: {k: v[:5] if k.endswith("transform/dense/bias") else v for k, v in t.items()},
         r"transform\.0\.bias has shape \(5,\), expected \(32,\)"),
    ],
)  # fmt: skip
def test_weights_that_are_missing_or_do_not_fit_are_named(google, tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        load(changed(google, tmp_path / "c", change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 48}, r"token_embeddings.*bert_config\.json says \(90, 48\)"),
        ({"vocab_size": 10**9}, "vocab_size is 1000000000: not a number that makes sense"),
        (
            {"intermediate_size": 1 << 19},
            r"0\.intermediate\.weight of shape \(64, 32\), and .* says \(524288, 32\)",
        ),
        ({"num_hidden_layers": 7}, "2 layers, and bert_config.json says 7"),
        (
            {"max_position_embeddings": 16},
            r"position_embeddings\.weight of shape \(32, 32\), and .* says \(16, 32\)",
        ),
        ({"hidden_act": "relu"}, r"bert_config\.json: hidden_act 'relu': only gelu"),
        ({"hidden_size": None}, "hidden_size is missing"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(google, tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        load(copy_with(google, tmp_path / "c", "bert_config.json", **change))


def test_a_folder_that_lacks_a_file_says_which(google, tmp_path):
    copy = copy_with(google, tmp_path / "c", "bert_config.json")
    for name, message in (
        ("bert_model.ckpt.data-00000-of-00001", "no such file"),
        ("bert_model.ckpt.index", r"neither model\.safetensors, nor pytorch_model\.bin, nor a"),
        ("bert_config.json", r"no config\.json or bert_config\.json in it"),
    ):
        (copy / name).unlink()
        with pytest.raises((DataError, ConfigError), match=message):
            load(copy)


def test_of_several_checkpoints_the_named_one_is_read(google, tmp_path):
    copy = copy_with(google, tmp_path / "c", "bert_config.json")
    for path in list(copy.glob("bert_model.ckpt*")):
        for step in (500, 1000):
            shutil.copy(path, copy / path.name.replace("bert_model.ckpt", f"model.ckpt-{step}"))
    assert find_checkpoint(copy) == copy / "bert_model.ckpt"
    for path in list(copy.glob("bert_model.ckpt*")):
        path.unlink()
    with pytest.raises(DataError, match=r"2 checkpoints: model\.ckpt-1000, model\.ckpt-500"):
        load(copy)
    (copy / "checkpoint").write_text('model_checkpoint_path: "/old/place/model.ckpt-500"\n')
    assert find_checkpoint(copy) == copy / "model.ckpt-500"
    assert same_tensors(copy, google)


def test_verbs_that_tell_models_apart_take_googles_checkpoint(google, capsys):
    assert main(["inspect", str(google)]) == 0
    assert main(["neighbors", str(google), "cat"]) == 0
    assert main(["fill", str(google), "the [MASK]"]) == 0
    assert "SHA-256" in capsys.readouterr().out
