"""Inspecting: tables as the model has them, every weight counted, judgements by known answers."""

import json
import shutil

import numpy as np
import pytest

from gloze import cli, load
from gloze.checkpoint import load_parts
from gloze.core.errors import ConfigError, DataError
from gloze.probes.layers import anisotropy, probe
from gloze.probes.logistic import LogisticRegression
from gloze.verbs.inspect import inspect
from tests.verbs import labelled


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return labelled.model_folder(tmp_path_factory.mktemp("inspect") / "model")


@pytest.fixture(scope="module")
def loaded(model):
    return load(model)


def test_the_three_tables_are_those_of_the_model(model, loaded, tmp_path):
    result = inspect(model, tables=tmp_path / "t", word2vec=True)
    embeddings = loaded.encoder.embeddings
    for name in ("token", "position", "token_type"):
        expected = getattr(embeddings, f"{name}_embeddings").weight.detach().numpy()
        assert np.array_equal(np.load(tmp_path / "t" / f"{name}.npy"), expected)
        assert result.tables[name] == expected.shape
    lines = (tmp_path / "t" / "vocabulary.tsv").read_text(encoding="utf-8").splitlines()
    tokens = loaded.tokenizer.tokens(range(loaded.tokenizer.vocab_size))
    assert lines == ["id\ttoken", *(f"{i}\t{token}" for i, token in enumerate(tokens))]
    head, *rows = (tmp_path / "t" / "token.vec").read_text(encoding="utf-8").splitlines()
    assert head == f"{len(tokens)} 32"
    token, *numbers = rows[7].split(" ")
    assert token == tokens[7]
    table = embeddings.token_embeddings.weight.detach().numpy()
    assert np.array_equal(np.array(numbers, dtype=np.float32), table[7])


def test_every_weight_is_counted_once_under_its_part(model):
    result = inspect(model)
    parts = load_parts(model)
    assert sum(result.parameters.values()) == sum(x.numel() for x in parts.tensors.values())
    size, positions = 32, 32
    assert result.parameters["token embeddings"] == 143 * size
    assert result.parameters["position embeddings"] == positions * size
    assert result.parameters["token type embeddings"] == 2 * size
    assert result.parameters["pooler"] == size * size + size
    assert list(result.parameters)[-2:] == ["mlm head", "nsp head"]
    layer = 4 * (size * size + size) + 2 * size * 64 + 64 + size + 4 * size
    assert result.parameters["layers"] == 2 * layer


def test_the_card_names_sizes_tokenizer_heads_and_origin(model, minilm):
    result = inspect(model)
    assert "2 layers of 32, 2 heads" in result.card["sizes"]
    assert result.card["heads"] == "mlm, nsp"
    assert "143 tokens, uncased" in result.card["tokenizer"]
    assert result.card["card"] == str(model / "README.md")
    assert inspect(minilm).card["made from"] == "nreimers/MiniLM-L6-H384-uncased"


@pytest.mark.parametrize(
    ("given", "told"),
    [(["A", "B"], "A, B"), ("A", "A"), ([None, "B"], "B"), (5, "not said"), (True, "not said"),
     ([1], "not said"), ([], "not said"), ({"a": 1}, "not said")],
)  # fmt: skip
def test_the_architecture_is_what_names_there_are(model, tmp_path, given, told):
    folder = shutil.copytree(model, tmp_path / "m", ignore=shutil.ignore_patterns("manifest.json"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": given}))
    assert inspect(folder).card["architecture"] == told


def test_cosines_of_random_pairs_are_those_of_all_pairs_but_for_chance(loaded):
    texts = [text for text, _ in labelled.rows(30, seed=3)]
    found = anisotropy(loaded, iter(texts), seeds=[0, 1], pairs=4000)
    features = loaded.features(texts, (0, 1, 2))
    for layer in range(3):
        vectors = [f.vectors[layer] / np.linalg.norm(f.vectors[layer], axis=1)[:, None]
                   for f in features]  # fmt: skip
        everything = np.concatenate(vectors)
        owners = np.repeat(np.arange(len(texts)), [len(v) for v in vectors])
        apart = owners[:, None] != owners
        expected = (everything @ everything.T)[apart].mean()
        assert found.layers[layer].mean == pytest.approx(expected, abs=0.02)
    assert (found.sentences, found.pairs) == (30, 4000)
    again = anisotropy(loaded, iter(texts), seeds=[0, 1], pairs=4000)
    assert again == found


def test_the_pairs_told_are_those_compared_and_none_at_all_is_refused(loaded):
    lopsided = ["the cat sees a small dog " * 100, "my sister"]
    found = anisotropy(loaded, lopsided, seeds=[0, 1])
    assert 0 < found.pairs < 1000
    assert all(np.isfinite(layer.mean) for layer in found.layers)
    with pytest.raises(DataError, match=r"no pair of words of different sentences.*line by line"):
        anisotropy(loaded, lopsided, seeds=range(9), pairs=1)


def test_sentences_are_drawn_with_equal_chances_in_bounded_memory(monkeypatch):
    from gloze.probes import layers

    monkeypatch.setattr(layers, "MAX_SENTENCES", 5)
    counts = np.zeros(20)
    for seed in range(400):
        drawn = layers._draw((str(i) for i in range(20)), seed)
        assert len(drawn) == 5
        counts[[int(text) for text in drawn]] += 1
    assert counts.min() > 65  # 100 expected, deviation 8.7
    assert counts.max() < 135


def test_the_logistic_regression_is_scikit_learns():
    linear_model = pytest.importorskip("sklearn.linear_model")
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(120, 6)) * [1, 5, 0.1, 1, 1, 0] + 3
    labels = (vectors[:, 0] * 2 + vectors[:, 1] / 5 + draw.normal(size=120) > 6).astype(int)
    labels[vectors[:, 3] > 3.8] = 2
    ours = LogisticRegression(strength=0.5).fit(vectors, labels, 3)
    scaled = (vectors - vectors.mean(0)) / np.where(vectors.std(0) > 0, vectors.std(0), 1)
    theirs = linear_model.LogisticRegression(C=0.5, tol=1e-10, max_iter=2000).fit(scaled, labels)
    assert np.allclose(ours._weight.detach().numpy(), theirs.coef_, atol=1e-4)
    assert ours.predict(vectors).tolist() == theirs.predict(scaled).tolist()


def test_a_probe_reads_a_label_that_is_there_and_none_that_is_not(loaded):
    rows = labelled.rows(120, seed=4)
    texts = [text for text, _ in rows]
    found = probe(loaded, texts, [label for _, label in rows], seeds=[0, 1])
    assert found.layers[0].mean > 0.95
    assert (found.examples, found.labels) == (120, 2)
    draw = np.random.default_rng(5)
    noise = probe(loaded, texts, list(draw.choice(["a", "b"], 120)), seeds=[0, 1, 2])
    assert all(layer.mean < 0.75 for layer in noise.layers)
    assert noise.most_frequent.mean < 0.75


def test_too_little_to_judge_is_refused(loaded, model, tmp_path):
    with pytest.raises(DataError, match="two sentences are needed"):
        anisotropy(loaded, ["the cat", ""], seeds=[0])
    with pytest.raises(DataError, match="two labels and ten texts; there are 1 and 12"):
        probe(loaded, ["the cat"] * 12, ["a"] * 12, seeds=[0])
    path = tmp_path / "pairs.tsv"
    path.write_text("text_a\ttext_b\tlabel\na\tb\tc\n")
    with pytest.raises(ConfigError, match=r"pairs\.tsv: a probe reads single texts"):
        inspect(model, probe_file=path)
    path = tmp_path / "one.tsv"
    path.write_text("text\tlabel\n" + "the cat\ta\n" * 12)
    with pytest.raises(DataError, match=r"one\.tsv: a probe needs two labels and ten texts"):
        inspect(model, probe_file=path)
    with pytest.raises(ConfigError, match="--seeds 0"):
        inspect(model, seeds=0)
    with pytest.raises(ConfigError, match="--tables: name it"):
        inspect(model, word2vec=True)
    for name, value in (("format", "tsv"), ("columns", "text=a")):
        with pytest.raises(ConfigError, match=rf"--{name} is for the file of --probe: name it"):
            inspect(model, corpus=path, **{name: value})
    with pytest.raises(ConfigError, match="--seeds is for --corpus and --probe: name one"):
        inspect(model, seeds=3)
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "mine.txt").touch()
    with pytest.raises(ConfigError, match=r"holds mine\.txt"):
        inspect(model, tables=tmp_path / "t", force=True)


def test_inspect_on_the_command_line(model, tmp_path, capsys):
    data = labelled.write_tsv(tmp_path / "data.tsv", 40, seed=1)
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("".join(f"{text}\n" for text, _ in labelled.rows(20)))
    words = ["inspect", str(model), "--corpus", str(corpus), "--probe", str(data), "--seeds", "2"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert "token embeddings" in out
    assert "accuracy: of a logistic regression on mean vectors, 40 texts, 2 labels" in out
    assert cli.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["anisotropy"]["layers"]) == len(found["probe"]["layers"]) == 3
    assert all(len(layer["values"]) == 2 for layer in found["probe"]["layers"])
