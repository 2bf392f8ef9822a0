"""Model folders: ``transformers`` computes the same from ours, and we from theirs."""

import numpy as np
import pytest
import torch

from gloze.checkpoint import load, load_parts, save_model
from gloze.config.build import build_learner
from gloze.core.errors import DataError
from gloze.inference.batches import batches
from gloze.interop.huggingface import our_name, their_names
from gloze.training.transfer import reinitialize
from tests.small import recipe, tokenizer

transformers = pytest.importorskip("transformers")

PAIRS = [([2, 5, 6, 3, 7, 8, 3], [0, 0, 0, 0, 1, 1, 1]), ([2, 9, 10, 11, 3], [0, 0, 0, 0, 0])]


def learner_with_large_weights():
    """Random weights spread enough that a wrong wire would show."""
    torch.manual_seed(0)
    _, learner = build_learner(recipe("encoder.initializer_range=0.2"), tokenizer())
    for parameter in learner.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.3)
    return learner.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model"
    save_model(path, learner_with_large_weights(), tokenizer(), card="# A card\n")
    return path


def our_scores(model, ids, types):
    [(_, batch)] = batches([np.array(ids)], [np.array(types)])
    with torch.no_grad():
        hidden_states = model.encoder(batch)
        mlm = model.heads["mlm"].scores(hidden_states[-1])
        return hidden_states, mlm, model.heads["nsp"].scores(hidden_states, batch)


def test_transformers_loads_our_folder_and_gives_the_same_scores(folder):
    theirs = transformers.BertForPreTraining.from_pretrained(folder).eval()
    ours = load(folder)
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
    vectors = model.encode(texts)
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
        ({"model_type": "gpt2"}, "only bert"),
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
