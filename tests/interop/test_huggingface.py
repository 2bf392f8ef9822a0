"""Model folders: ``transformers`` computes the same from ours, and we from theirs."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import torch

import gloze
from gloze.checkpoint import load, load_parts, load_tensors, save_model, save_tensors
from gloze.checkpoint.sizes import encoder_shapes
from gloze.config.build import build_learner
from gloze.core.errors import DataError
from gloze.interop.huggingface import our_name, their_names, to_theirs
from gloze.training.transfer import reinitialize
from tests.interop.models import (
    PAIRS,
    batch_of_pair,
    copy_with,
    learner_with_large_weights,
    same_tensors,
    save_large,
)
from tests.small import recipe, tokenizer

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_large(tmp_path_factory.mktemp("models") / "model")


def our_scores(model, ids, types):
    batch = batch_of_pair(ids, types)
    with torch.no_grad():
        hidden_states = model.encoder(batch)
        mlm = model.heads["mlm"].scores(hidden_states[-1])
        return hidden_states, mlm, model.heads["nsp"].scores(hidden_states, batch)


def test_transformers_loads_our_folder_and_gives_the_same_scores(folder):
    expect_their_scores(folder)


def test_gelu_by_tanh_and_another_epsilon_give_the_same_scores(tmp_path):
    changes = ("encoder.hidden_act=gelu_new", "encoder.layer_norm_eps=1e-3")
    expect_their_scores(save_large(tmp_path / "m", *changes))
    config = copy_with(tmp_path / "m", tmp_path / "c", "config.json", hidden_act="gelu")
    with pytest.raises(AssertionError):
        expect_their_scores(tmp_path / "m", reads=config)


def expect_their_scores(folder, reads=None):
    theirs = transformers.BertForPreTraining.from_pretrained(folder).eval()
    ours = load(reads or folder)
    for ids, types in PAIRS:
        out = theirs(
            torch.tensor([ids]), token_type_ids=torch.tensor([types]), output_hidden_states=True
        )
        hidden_states, mlm, nsp = our_scores(ours, ids, types)
        for mine, reference in zip(hidden_states, out.hidden_states, strict=True):
            assert torch.allclose(mine, reference[0], atol=1e-5)
        assert (mlm - out.prediction_logits[0]).abs().max() < 1e-4
        assert (nsp - out.seq_relationship_logits).abs().max() < 1e-4


def test_transformers_reports_no_missing_or_unexpected_weight(folder):
    _, info = transformers.BertForPreTraining.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]


def test_a_folder_read_back_has_the_same_weights(folder):
    before = learner_with_large_weights().state_dict()
    after = load_parts(folder)
    assert not after.unknown
    assert set(after.tensors) == set(before)
    assert all(torch.equal(before[name], tensor) for name, tensor in after.tensors.items())


def test_a_folder_keeps_how_its_control_with_random_weights_starts(tmp_path):
    _, learner = build_learner(recipe("encoder.initialization=local"), tokenizer())
    save_model(tmp_path / "m", learner, tokenizer(), card="")
    encoder = load_parts(tmp_path / "m").encoder
    reinitialize(encoder)
    assert encoder.config.initialization == "local"
    assert not encoder.embeddings.position_embeddings.weight[0, ::2].any()  # sines of place 0
    transformers.BertForPreTraining.from_pretrained(tmp_path / "m")


def test_every_weight_of_a_layer_has_one_name_on_each_side():
    names = list(learner_with_large_weights().state_dict())
    assert all({our_name(each) for each in their_names(name)} == {name} for name in names)


def test_a_real_checkpoint_gives_the_vectors_of_transformers(minilm):
    texts = ["The bank raised its rates.", "They sat on the bank of the river and", "x " * 90]
    model = load(minilm)
    theirs = transformers.BertModel.from_pretrained(minilm).eval()
    tokenize = transformers.AutoTokenizer.from_pretrained(minilm)
    vectors = model.encode(texts, normalize=False)
    for text, vector in zip(texts, vectors, strict=True):
        given = tokenize(text, return_tensors="pt", truncation=True, max_length=512)
        with torch.no_grad():
            reference = theirs(**given).last_hidden_state[0].mean(0)
        assert np.abs(vector - reference.numpy()).max() < 1e-5


def test_the_order_and_company_of_texts_change_no_vector(minilm):
    texts = ["A short one.", "A text that is quite a bit longer than the other one.", "Third"]
    model = load(minilm)
    together = model.encode(texts)
    alone = np.concatenate([model.encode([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(together[::-1] - model.encode(texts[::-1])).max() < 1e-5


# The class of theirs, its settings, and what its head is with us.
CLASSES = [
    ("BertModel", {}, None),
    ("BertForPreTraining", {}, "mlm"),
    ("BertForMaskedLM", {}, "mlm"),
    ("BertForNextSentencePrediction", {}, "nsp"),
    ("BertForSequenceClassification", {"num_labels": 3}, "classification"),
    ("BertForSequenceClassification", {"num_labels": 1}, "regression"),
    (
        "BertForSequenceClassification",
        {"num_labels": 3, "problem_type": "multi_label_classification"},
        "multilabel",
    ),
    ("BertForTokenClassification", {"num_labels": 5}, "tagging"),
    ("BertForQuestionAnswering", {}, "span"),
    ("BertForMultipleChoice", {}, "choice"),
]
OF_TOKENS = ("tagging", "span")


def theirs_saved(name, settings, folder):
    """A model of theirs with large weights, saved by them beside a tokenizer of ours."""
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=90, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=32, initializer_range=0.2, **settings,
    )  # fmt: skip
    model = getattr(transformers, name)(config).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.3)
    model.save_pretrained(folder)
    tokenizer().save(folder)
    return model


def scores_by_our_weights(parts, head, ids, types):
    """What the head's weights under our names make of our encoder's states."""
    batch = batch_of_pair(ids, types)
    weight, bias = (parts.tensors[f"heads.{head}.output.{each}"] for each in ("weight", "bias"))
    hidden = parts.encoder.eval()(batch)[-1]
    read = hidden if head in OF_TOKENS else parts.encoder.pooler(hidden, batch)
    return read @ weight.T + bias


@pytest.mark.parametrize(("name", "settings", "head"), CLASSES)
@torch.no_grad()
def test_every_class_of_theirs_loads_with_its_head_and_gives_its_scores(
    tmp_path, name, settings, head
):
    theirs = theirs_saved(name, settings, tmp_path)
    parts = load_parts(tmp_path)
    assert not parts.unknown
    found = {each.split(".")[1] for each in parts.tensors if each.startswith("heads.")}
    assert found == ({"mlm", "nsp"} if name == "BertForPreTraining" else {head} - {None})
    for ids, types in PAIRS:
        given = {"input_ids": torch.tensor([ids]), "token_type_ids": torch.tensor([types])}
        if head == "choice":
            given = {each: values[None] for each, values in given.items()}
        out = theirs(**given, output_hidden_states=True)
        states = parts.encoder.eval()(batch_of_pair(ids, types))
        for mine, reference in zip(states, out.hidden_states, strict=True):
            assert torch.allclose(mine, reference[0], atol=1e-5)
        if head is None:
            pooled = parts.encoder.pooler(states[-1], batch_of_pair(ids, types))
            assert (pooled - out.pooler_output).abs().max() < 1e-4
        elif head not in ("mlm", "nsp"):
            ends = ("start_logits", "end_logits")
            logits = torch.stack([out[e] for e in ends], -1) if head == "span" else out.logits
            mine = scores_by_our_weights(parts, head, ids, types)
            assert (mine - logits.reshape(mine.shape)).abs().max() < 1e-4
    if head in ("mlm", "nsp"):
        ids, types = PAIRS[0]
        _, *scores = our_scores_of(load(tmp_path), ids, types)
        out = theirs(torch.tensor([ids]), token_type_ids=torch.tensor([types]))
        logits = [each for each in out.values() if each.ndim > 1 and each.shape[-1] in (2, 90)]
        for mine, reference in zip(scores, logits, strict=True):
            assert (mine - reference.reshape(mine.shape)).abs().max() < 1e-4


def our_scores_of(model, ids, types):
    batch = batch_of_pair(ids, types)
    states = model.encoder(batch)
    mlm, nsp = model.heads.get("mlm"), model.heads.get("nsp")
    scores = [mlm and mlm.scores(states[-1]), nsp and nsp.scores(states, batch)]
    return states, *[each for each in scores if each is not None]


@pytest.mark.parametrize(("name", "settings", "head"), CLASSES)
def test_every_class_of_theirs_loads_what_we_write_of_it(tmp_path, name, settings, head):
    theirs = theirs_saved(name, settings, tmp_path / "theirs")
    gloze.convert(tmp_path / "theirs", output=tmp_path / "ours")
    kind = getattr(transformers, name)
    again, info = kind.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(info[each] for each in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    before, after = theirs.state_dict(), again.state_dict()
    assert all(torch.equal(before[each], after[each]) for each in before)
    assert type(transformers.AutoModel.from_pretrained(tmp_path / "ours")).__name__ == "BertModel"
    for setting, value in settings.items():
        assert getattr(again.config, setting) == value


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((kind, "classifier") for kind in ("classification", "multilabel", "regression")),
        *((kind, "classifier") for kind in ("ranking", "tagging", "choice")),
        ("span", "qa_outputs"),
    ],
)
def test_the_head_of_a_task_has_one_name_on_each_side(kind, name):
    for last in ("weight", "bias"):
        ours, theirs = f"heads.{kind}.output.{last}", f"{name}.{last}"
        assert their_names(ours) == [theirs]
        assert our_name(theirs, kind) == ours
    # What they have no place for keeps a name of its own.
    assert (
        our_name(*to_theirs({f"heads.{kind}.more.crf": torch.ones(1)})) == f"heads.{kind}.more.crf"
    )


def test_an_encoder_without_pooler_loads_and_is_written_without(tmp_path):
    model = theirs_saved("BertForTokenClassification", {"num_labels": 2}, tmp_path / "theirs")
    model.bert.save_pretrained(tmp_path / "bare")
    tokenizer().save(tmp_path / "bare")
    gloze.convert(tmp_path / "bare", output=tmp_path / "ours")
    for each in ("bare", "ours"):
        assert not [name for name in load_parts(tmp_path / each).tensors if "pooler" in name]
    assert same_tensors(tmp_path / "bare", tmp_path / "ours")


def as_pickled(folder, copy, **how):
    """The same folder as it was published before safetensors, under the oldest names."""
    copy_with(folder, copy, "config.json")
    model = transformers.BertForPreTraining.from_pretrained(folder)
    state = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): t
        for name, t in model.state_dict().items()
    }
    (copy / "model.safetensors").unlink()
    torch.save(state, copy / "pytorch_model.bin", **how)
    return copy


@pytest.mark.parametrize("is_zip", [True, False])
def test_an_old_file_of_weights_loads_bit_for_bit(folder, tmp_path, is_zip):
    copy = as_pickled(folder, tmp_path / "c", _use_new_zipfile_serialization=is_zip)
    assert same_tensors(folder, copy)
    assert load_parts(copy).tensors.keys() == load_parts(folder).tensors.keys()


def test_a_copy_of_the_bias_stands_for_one_that_is_missing(folder, tmp_path):
    copy = as_pickled(folder, tmp_path / "c")
    state = torch.load(copy / "pytorch_model.bin", weights_only=True)
    state["cls.predictions.decoder.bias"] = state.pop("cls.predictions.bias")
    torch.save(state, copy / "pytorch_model.bin")
    assert same_tensors(folder, copy)


def test_a_masked_lm_whose_decoder_is_not_the_token_table_is_left_out_by_name(tmp_path, capsys):
    theirs_saved("BertForMaskedLM", {"tie_word_embeddings": False}, tmp_path / "theirs")
    parts = load_parts(tmp_path / "theirs")
    assert "cls.predictions.decoder.weight" in parts.unknown
    assert not [name for name in parts.tensors if name.startswith("heads.")]
    assert "decoder of its own" in capsys.readouterr().err
    assert "mlm" not in load(tmp_path / "theirs").heads
    done = gloze.convert(tmp_path / "theirs", output=tmp_path / "ours")
    assert "cls.predictions.bias" in done.left_out


class Gadget:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return open, (str(self.canary), "w")


@pytest.mark.parametrize("is_zip", [True, False])
def test_an_old_file_of_weights_runs_no_code(folder, tmp_path, is_zip):
    copy = copy_with(folder, tmp_path / "c", "config.json")
    (copy / "model.safetensors").unlink()
    bad, canary = copy / "pytorch_model.bin", tmp_path / "canary"
    torch.save({"w": Gadget(canary)}, bad, _use_new_zipfile_serialization=is_zip)
    for content in (bad.read_bytes(), pickle.dumps(Gadget(canary))):
        bad.write_bytes(content)
        with pytest.raises(DataError, match=r"pytorch_model\.bin: not readable as weights"):
            load(copy)
        assert not canary.exists()


def nested():
    content = io.BytesIO()
    torch.save({"model": {"w": torch.ones(1)}}, content)
    return content.getvalue()


def empty_zip():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("nothing", "")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: b"", "not readable as weights"),
        (lambda whole: whole[:-5000], "not readable as weights"),
        (lambda whole: b"no weights at all", "not readable as weights"),
        (lambda whole: empty_zip(), "not readable as weights"),
        (lambda whole: nested(), "something else than weights by their names"),
    ],
)
def test_a_broken_old_file_of_weights_is_refused(folder, tmp_path, content, message):
    copy = as_pickled(folder, tmp_path / "c")
    path = copy / "pytorch_model.bin"
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(DataError, match=rf"pytorch_model\.bin.*{message}"):
        load(copy)


TABLE = "bert.embeddings.word_embeddings.weight"


@pytest.mark.parametrize(
    "make",
    [
        lambda t: torch.zeros(1, 1).expand(t.shape),
        lambda t: t.to_sparse(),
        lambda t: t.to("meta"),
        lambda t: t.to(torch.complex64),
    ],
)
def test_weights_that_are_not_all_there_are_refused_by_name(folder, tmp_path, make):
    copy = as_pickled(folder, tmp_path / "c")
    state = torch.load(copy / "pytorch_model.bin", weights_only=True)
    torch.save({**state, TABLE: make(state[TABLE])}, copy / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"pytorch_model\.bin.*"):
        load(copy)


def test_an_old_file_of_weights_is_not_inflated(folder, tmp_path):
    path = as_pickled(folder, tmp_path / "c") / "pytorch_model.bin"
    parts = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(parts) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as to:
        for each in source.infolist():
            to.writestr(each.filename, source.read(each))
    with pytest.raises(DataError, match="its parts are compressed"):
        load(path.parent)


def test_every_weight_of_an_encoder_has_its_shape_written_out():
    config = recipe("encoder.num_hidden_layers=3").encoder
    own = {name: tuple(t.shape) for name, t in config.build(90).state_dict().items()}
    assert dict(encoder_shapes(config, 90)) == {n: s for n, s in own.items() if "pooler" not in n}


def test_layers_without_their_weights_are_refused_before_memory_is_taken(folder, tmp_path):
    copy = copy_with(folder, tmp_path / "c", "config.json")
    tensors = load_tensors(folder / "model.safetensors")
    kept = {n: t for n, t in tensors.items() if "layer.1." not in n}
    kept["bert.encoder.layer.1.output.dense.bias"] = torch.zeros(1)
    save_tensors(kept, copy / "model.safetensors")
    (copy / "manifest.json").unlink(missing_ok=True)
    with pytest.raises(DataError, match=r"layers\.1\.attention\.query_key_value\.\w+ is missing"):
        load(copy)


def test_weights_in_several_files_are_refused_with_the_cure(folder, tmp_path):
    model = transformers.BertModel.from_pretrained(folder)
    model.save_pretrained(tmp_path / "parts", max_shard_size="20KB")
    tokenizer().save(tmp_path / "parts")
    with pytest.raises(DataError, match=r"model\.safetensors\.index\.json: .*max_shard_size"):
        load(tmp_path / "parts")


@pytest.mark.parametrize("damage", ["truncate", "flip", "delete"])
def test_a_damaged_model_is_refused_by_name(tmp_path, damage):
    save_model(tmp_path / "m", learner_with_large_weights(), tokenizer(), card="")
    weights = tmp_path / "m" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    if damage == "delete":
        weights.unlink()
    else:
        content[-100] ^= 1
        weights.write_bytes(content[:-200] if damage == "truncate" else content)
    with pytest.raises(DataError, match=r"model\.safetensors"):
        load(tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocab_size": 10**12}, "not a number that makes sense"),
        ({"hidden_size": 48}, "config.json says"),
        ({"num_hidden_layers": 3}, "2 layers, and config.json says 3"),
        ({"num_attention_heads": 5}, "does not divide"),
        ({"hidden_act": "relu"}, "only gelu"),
        ({"model_type": "roberta"}, "model_type .roberta. cannot be loaded"),
        ({"hidden_act": ["gelu"]}, "only gelu"),
        ({"max_position_embeddings": 1 << 19}, "config.json says"),
        ({"intermediate_size": 1 << 19}, "config.json says"),
        ({"hidden_dropout_prob": "much"}, "not a number that makes sense"),
    ],
)
def test_a_false_configuration_is_refused_before_memory_is_taken(folder, tmp_path, change, message):
    import json
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "manifest.json").unlink()
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(DataError, match=message):
        load(copy)


def test_a_name_of_ours_in_their_file_is_a_heads_or_unknown(folder, tmp_path):
    import safetensors.torch

    copy = copy_with(folder, tmp_path / "c", "config.json")
    weights = copy / "model.safetensors"
    odd = {"gloze.x": torch.ones(1), "gloze.encoder.pooler.dense.more": torch.ones(1)}
    safetensors.torch.save_file(safetensors.torch.load_file(weights) | odd, weights)
    assert set(load_parts(copy).unknown) == set(odd)
    assert set(gloze.convert(copy, output=tmp_path / "o").left_out) == set(odd)
