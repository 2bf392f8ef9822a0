"""``gloze export``: a graph that runs elsewhere and gives the model's vectors."""

import json

import numpy as np
import pytest
import torch

import gloze
from gloze.checkpoint import load_parts, save_model
from gloze.cli import main
from gloze.config.build import build_learner
from gloze.core.errors import ConfigError, DataError, MissingExtraError
from gloze.interop import onnx as graphs
from gloze.verbs import export as verb
from tests.small import recipe, tokenizer

runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

TEXTS = ["The bank raised its rates.", "A river", "The river has a bank."]
# PyTorch's own, of its own parts.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "m"
    _, learner = build_learner(recipe("encoder.initializer_range=0.2"), tokenizer())
    save_model(folder, learner, tokenizer(), card="")
    return folder


def vectors(folder, sequences):
    """The graph's vectors of some sequences, padded to one rectangle."""
    ids = np.zeros((len(sequences), max(map(len, sequences))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)], mask[row, : len(sequence)] = sequence, 1
    session = runtime.InferenceSession(str(folder / "model.onnx"))
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return session.run(["embeddings"], given)[0]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_graph_gives_the_vectors_of_the_model_for_padded_texts(model, tmp_path, pooling):
    result = gloze.export(model, output=tmp_path / "e", pooling=pooling, texts=TEXTS)
    assert result.lowest_cosine > 0.999999
    source = gloze.load(model)
    found = vectors(tmp_path / "e", source.sequences(TEXTS))
    assert np.abs(found - source.encode(TEXTS, pooling=pooling)).max() < 1e-5


def test_an_exported_folder_has_its_tokenizer_and_tells_what_it_is(model, tmp_path):
    gloze.export(model, output=tmp_path / "e", texts=TEXTS)
    note = json.loads((tmp_path / "e" / "export.json").read_text())
    assert note["inputs"] == ["input_ids", "attention_mask", "token_type_ids"]
    assert (note["output"], note["pooling"], note["texts"]) == ("embeddings", "mean", 3)
    known = gloze.load_tokenizer(tmp_path / "e")
    assert known.fingerprint == gloze.load(model).tokenizer.fingerprint


def test_a_real_model_in_8_bits_points_where_it_did_and_takes_a_third_of_the_space(
    minilm, tmp_path, capsys
):
    assert main(["export", str(minilm), "-o", str(tmp_path / "e"), "--precision", "int8"]) == 0
    told = capsys.readouterr().out
    note = json.loads((tmp_path / "e" / "export.json").read_text())
    assert f"lowest cosine {note['lowest_cosine']:.4f}" in told
    assert 0.98 <= note["lowest_cosine"] < note["mean_cosine"] < 1
    assert note["lowest_in_batches"] >= 0.98
    assert note["kept"] == 0
    assert note["megabytes"] < 91 / 3
    others = ["Coffee was grown in the hills.", "He never did like his brother's house."]
    source = gloze.load(minilm)
    exact, found = source.encode(others), vectors(tmp_path / "e", source.sequences(others))
    norms = np.linalg.norm(exact, axis=1) * np.linalg.norm(found, axis=1)
    assert ((exact * found).sum(1) / norms).min() > 0.97


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_graph_that_does_not_agree_is_not_written(model, tmp_path, monkeypatch, precision):
    monkeypatch.setitem(verb.LEAST, precision, 1.1)
    with pytest.raises(DataError, match=rf"{precision} graph does not agree.*Nothing was written"):
        gloze.export(model, output=tmp_path / "e", precision=precision, texts=TEXTS)
    assert list(tmp_path.iterdir()) == []


def test_as_few_layers_as_it_takes_are_kept(model, tmp_path, monkeypatch):
    tried = []

    def written(path, output, *, kept=0):
        tried.append(kept)
        graphs.write_int8(path, output, kept=kept)

    monkeypatch.setattr(verb, "write_int8", written)
    found = iter([0.9, 0.5, 0.9, 0.85])
    monkeypatch.setattr(verb, "_cosines", lambda *_: np.array([next(found)]))
    monkeypatch.setitem(verb.LEAST, "int8", 0.8)
    result = gloze.export(model, output=tmp_path / "e", precision="int8", texts=TEXTS)
    assert (tried, result.kept) == ([0, 1], 1)
    assert (result.lowest_cosine, result.lowest_in_batches) == (0.9, 0.85)


def test_layers_that_are_kept_are_not_in_8_bits(model, tmp_path):
    onnx = pytest.importorskip("onnx")
    encoder = load_parts(model).encoder
    graphs.write_graph(encoder, tmp_path / "f.onnx", pooling="mean", level=True)
    held = []
    for kept in (0, 1):
        graphs.write_int8(tmp_path / "f.onnx", tmp_path / "q.onnx", kept=kept)
        graph = onnx.load(tmp_path / "q.onnx").graph
        held.append({each.name for each in graph.initializer if each.data_type == 1})
    assert any("layers.0.output.weight" in n and "scale" not in n for n in held[1])
    assert not any("layers.0.output.weight" in n and "scale" not in n for n in held[0])


def test_products_on_one_level_are_the_same():
    torch.manual_seed(0)
    plain = torch.nn.Linear(16, 8)
    x = torch.randn(5, 16)
    x[2] = 0
    assert torch.allclose(graphs._LevelLinear(plain)(x), plain(x), atol=1e-6)


def test_what_cannot_be_exported_is_refused(model, tmp_path, monkeypatch):
    (tmp_path / "blank.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    for call, error, message in (
        ({"precision": "int4"}, ConfigError, "one of float32, int8"),
        ({"pooling": "max"}, ConfigError, "one of mean, cls"),
        ({"texts": tmp_path / "none.txt"}, DataError, "none.txt: no such file"),
        ({"texts": tmp_path / "blank.txt"}, DataError, "no text to compare"),
        ({"texts": tmp_path / "latin.txt"}, DataError, "not UTF-8"),
        ({"output": tmp_path}, ConfigError, "exists already"),
        ({"output": model, "force": True}, ConfigError, "which gloze does not write there"),
    ):
        with pytest.raises(error, match=message):
            gloze.export(model, **{"output": tmp_path / "e", "texts": TEXTS, **call})
    one_way = build_learner(recipe(), tokenizer())[1].encoder
    object.__setattr__(one_way.config, "direction", "left_to_right")
    with pytest.raises(ConfigError, match="this one is left_to_right"):
        graphs.write_graph(one_way, tmp_path / "m.onnx", pooling="mean")
    monkeypatch.setattr(graphs, "_PACKAGES", ("no_such_package",))
    with pytest.raises(MissingExtraError, match=r"gloze\[export\]"):
        gloze.export(model, output=tmp_path / "e", texts=TEXTS)
    assert not (tmp_path / "e").exists()
