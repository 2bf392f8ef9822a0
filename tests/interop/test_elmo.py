"""Published ELMo: numbers equal to a plain program's and to stored ones; what cannot be read."""

import json
import shutil
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

import gloze
from gloze.checkpoint import (
    load_any_parts,
    load_parts,
    load_trained,
    save_model,
)
from gloze.checkpoint.inference import load_language_model
from gloze.cli import main
from gloze.core.errors import ConfigError, DataError, MissingExtraError
from gloze.data.collate import end_to_end
from gloze.tokenizers.spelling import spell, spell_marks
from gloze.training.learner import Learner

FILTERS, WIDTH, CELLS, SIZE, CHARACTERS = [[1, 3], [2, 4], [3, 5]], 12, 9, 4, 12
OPTIONS = {
    "lstm": {
        "cell_clip": 0.4, "proj_clip": 0.3, "use_skip_connections": True, "n_layers": 2,
        "projection_dim": SIZE, "dim": CELLS,
    },
    "char_cnn": {
        "embedding": {"dim": 2}, "filters": FILTERS, "n_highway": 2, "n_characters": 262,
        "max_characters_per_token": CHARACTERS, "activation": "relu",
    },
    "bidirectional": True,
}  # fmt: skip
SENTENCES = [["The", "cats", "sät"], ["It"], ["internationalisation", "!", "of", "日本語", "cats"]]


def arrays():
    """Return random weights under the published names."""
    draw = np.random.default_rng(0)
    shapes = {"char_embed": (261, 2), "CNN_proj/W_proj": (WIDTH, SIZE), "CNN_proj/b_proj": (SIZE,)}
    for i, (width, count) in enumerate(FILTERS):
        shapes |= {f"CNN/W_cnn_{i}": (1, width, 2, count), f"CNN/b_cnn_{i}": (count,)}
    for i in range(2):
        for part in ("transform", "carry"):
            shapes |= {f"CNN_high_{i}/W_{part}": (WIDTH, WIDTH), f"CNN_high_{i}/b_{part}": (WIDTH,)}
        for layer in range(2):
            cell = f"RNN_{i}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
            shapes |= {f"{cell}/W_0": (2 * SIZE, 4 * CELLS), f"{cell}/B": (4 * CELLS,)}
            shapes |= {f"{cell}/W_P_0": (CELLS, SIZE)}
    return {k: draw.normal(0, 0.6, shape).astype(np.float32) for k, shape in shapes.items()}


def write(folder, weights, options=OPTIONS, name="elmo_small_weights.hdf5"):
    folder.mkdir(exist_ok=True)
    with h5py.File(folder / name, "w") as file:
        for key, array in weights.items():
            file[key] = array
    (folder / name.replace("weights.hdf5", "options.json")).write_text(json.dumps(options))
    return folder


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write(tmp_path_factory.mktemp("elmo") / "model", arrays())


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def vector(w, word):
    """Return a word's vector as the published code computes it, in double precision."""
    inside = {"<S>": [256], "</S>": [257]}.get(word) or list(word.encode())[: CHARACTERS - 2]
    ids = [258, *inside, 259]
    x = w["char_embed"][ids + [260] * (CHARACTERS - len(ids))]
    found = []
    for i, (width, _) in enumerate(FILTERS):
        kernel = w[f"CNN/W_cnn_{i}"][0]
        places = range(CHARACTERS - width + 1)
        scores = [np.einsum("ws,wsf->f", x[at : at + width], kernel) for at in places]
        found.append(np.max(scores, 0) + w[f"CNN/b_cnn_{i}"])
    x = np.maximum(np.concatenate(found), 0)
    for i in range(2):
        at = f"CNN_high_{i}/"
        carry = sigmoid(x @ w[at + "W_carry"] + w[at + "b_carry"])
        new = np.maximum(x @ w[at + "W_transform"] + w[at + "b_transform"], 0)
        x = carry * new + (1 - carry) * x
    return x @ w["CNN_proj/W_proj"] + w["CNN_proj/b_proj"]


def read_on(w, where, xs, cell, state):
    """Return the states of an LSTM of TensorFlow, and what it ends with."""
    found = []
    for x in xs:
        gates = np.concatenate([x, state]) @ w[f"{where}/W_0"] + w[f"{where}/B"]
        enter, new, forget, leave = np.split(gates, 4)
        cell = sigmoid(forget + 1) * cell + sigmoid(enter) * np.tanh(new)
        cell = np.clip(cell, -0.4, 0.4)
        state = np.clip((sigmoid(leave) * np.tanh(cell)) @ w[f"{where}/W_P_0"], -0.3, 0.3)
        found.append(state)
    return np.array(found), cell, state


def reference(weights, sentences):
    """Return of each sentence [layers, tokens, 2 * size], states running on, marks included."""
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    ends = {(way, n): (np.zeros(CELLS), np.zeros(SIZE)) for way in range(2) for n in range(2)}
    results = []
    for sentence in sentences:
        words = np.array([vector(w, word) for word in ["<S>", *sentence, "</S>"]])
        halves = []
        for way in range(2):
            x, layers = words[:: 1 - 2 * way], [words]
            for n in range(2):
                cell = f"RNN_{way}/RNN/MultiRNNCell/Cell{n}/LSTMCell"
                states, *ends[way, n] = read_on(w, cell, x, *ends[way, n])
                x = states + x if n else states
                layers.append(x[:: 1 - 2 * way])
            halves.append(np.array(layers))
        results.append(np.concatenate(halves, 2))
    return results


def batch_of(texts, size, lanes=None):
    """Return a batch of texts that are lists of words, between the marks."""
    begin, end = spell_marks(size)[:, None]
    spelled = np.concatenate([x for text in texts for x in (begin, spell(text, size), end)])
    lengths = np.array([len(text) + 2 for text in texts])
    ids = np.zeros(len(spelled), dtype=np.int64)
    batch = end_to_end(ids, ids, lengths)
    return replace(batch, characters=torch.from_numpy(spelled), lanes=lanes)


@torch.inference_mode()
def test_all_layers_are_those_of_a_plain_program_with_states_running_on(published):
    encoder = load_trained(published).encoder.eval()
    for sentence, expected in zip(SENTENCES, reference(arrays(), SENTENCES), strict=True):
        states = encoder(batch_of([sentence], encoder.num_bytes, np.array([0])))
        np.testing.assert_allclose(torch.stack(states).numpy(), expected, atol=2e-6)
        # Clips are met, so that they are tested.
        assert np.isclose(np.abs(expected[1]).max(), 0.3)


def test_features_are_those_of_each_text_alone(published):
    model = gloze.load(published)
    found = model.features(SENTENCES, layers=(0, 1, 2))
    for features, sentence in zip(found, SENTENCES, strict=True):
        [expected] = reference(arrays(), [sentence])
        np.testing.assert_allclose(features.vectors, expected[:, 1:-1], atol=2e-6)
        assert features.words == sentence
        assert features.unknown == 0
    by_text = model.features([" ".join(x) for x in SENTENCES], layers=(0, 1, 2), words=True)
    for one, other in zip(found, by_text, strict=True):
        np.testing.assert_array_equal(one.vectors, other.vectors)
    means = model.encode([" ".join(x) for x in SENTENCES])
    for mean, sentence in zip(means, SENTENCES, strict=True):
        np.testing.assert_allclose(mean, reference(arrays(), [sentence])[0][2].mean(0), atol=2e-6)


def test_its_vectors_go_to_a_file(published, tmp_path, capsys):
    text = tmp_path / "texts.txt"
    text.write_text("The cats sät\nIt\n")
    output = tmp_path / "vectors.npz"
    call = ["encode", str(published), "--input", str(text), "-o", str(output), "--words"]
    assert main([*call, "--layers", "0,1,2", "--combine", "stack"]) == 0
    arrays_ = np.load(output)
    assert arrays_["vectors"].shape == (4, 3, 2 * SIZE)
    expected = reference(arrays(), SENTENCES[:1])[0][:, 1:-1].transpose(1, 0, 2)
    np.testing.assert_allclose(arrays_["vectors"][:3], expected, atol=2e-6)
    assert "0.00% of them unknown" in capsys.readouterr().out


def test_saved_as_a_folder_of_ours_it_needs_nothing_else(published, tmp_path):
    parts = load_trained(published)
    save_model(tmp_path / "ours", Learner(parts.encoder, []), parts.tokenizer, card="")
    ours = load_trained(tmp_path / "ours")
    assert ours.encoder.config == parts.encoder.config
    assert ours.tensors.keys() == parts.tensors.keys()
    assert all(torch.equal(x, parts.tensors[name]) for name, x in ours.tensors.items())
    one, other = gloze.load(published), gloze.load(tmp_path / "ours")
    for a, b in zip(*(each.features(SENTENCES, (0, 1, 2)) for each in (one, other)), strict=True):
        np.testing.assert_allclose(a.vectors, b.vectors, atol=1e-6)


@torch.inference_mode()
def test_stored_activations_of_a_published_checkpoint_are_met(shared_data):
    folder = shared_data / "checkpoints" / "elmo-toy"
    if not folder.is_dir():
        pytest.skip("the data has no elmo-toy")
    encoder = load_trained(folder).encoder.eval()
    streams = json.loads((folder / "sentences.json").read_text())
    stored = [h5py.File(folder / f"lm_embeddings_{k}.hdf5") for k in range(len(streams))]
    compared = 0
    for number, texts in enumerate(zip(*streams, strict=True)):
        words = [text.split() for text in texts]
        states = encoder(batch_of(words, encoder.num_bytes, np.arange(len(words))))[-1]
        for file, found in zip(stored, states.split([len(x) + 2 for x in words]), strict=True):
            halves = np.stack([half[1:-1].numpy() for half in found.chunk(2, 1)])
            np.testing.assert_allclose(halves, file[str(number)][()], atol=1e-5)
            compared += halves.shape[1]
    assert compared == sum(len(text.split()) for stream in streams for text in stream)


def test_more_layers_without_skips_and_clips_are_read(tmp_path):
    lstm = {"use_skip_connections": False, "n_layers": 1, "projection_dim": SIZE, "dim": CELLS}
    folder = write(tmp_path / "one", arrays(), {**OPTIONS, "lstm": lstm})
    config = load_trained(folder).encoder.config
    assert (config.num_hidden_layers, config.residual) == (1, False)
    assert config.cell_clip is config.state_clip is None


def changed(name, value):
    """Return the options with another value at a place, or without one."""
    options = json.loads(json.dumps(OPTIONS))
    *parents, last = name.split(".")
    block = options
    for parent in parents:
        block = block[parent]
    block.pop(last) if value is None else block.update({last: value})
    return options


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lstm", None, r"options\.json: lstm\.dim is missing: not the options of an ELMo"),
        ("lstm.projection_dim", None, r"lstm\.projection_dim is missing"),
        ("lstm.dim", "9", r"lstm\.dim is '9'"),
        ("lstm.dim", True, r"lstm\.dim is True"),
        ("lstm.n_layers", 0, r"num_hidden_layers is 0"),
        ("lstm.n_layers", 3, r"it has no weights RNN_0/RNN/MultiRNNCell/Cell2/LSTMCell/W_0"),
        ("lstm.dim", 1 << 19, r"W_0 has shape \(8, 36\), expected \(8, 2097152\)"),
        ("lstm.cell_clip", -1, r"cell_clip is -1"),
        ("char_cnn.filters", [[1, 3], [2]], r"filters are not pairs of whole numbers"),
        ("char_cnn.filters", [[1, 3], [2, 4.5]], r"filters are not pairs of whole numbers"),
        ("char_cnn.filters", [[1, 4]], r"W_cnn_0 has shape \(1, 1, 2, 3\), expected \(1, 1, 2, 4"),
        ("char_cnn.n_characters", 300, r"n_characters is 300; 261 or 262 is known"),
        ("char_cnn.activation", "gelu", r"activation is 'gelu'; relu or tanh is known"),
        ("char_cnn.embedding.dim", None, r"char_cnn\.embedding\.dim is missing"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, name, value, message):
    folder = write(tmp_path / "model", arrays(), changed(name, value))
    with pytest.raises(DataError, match=message):
        gloze.load(folder)


def test_options_that_are_none_are_refused(tmp_path):
    folder = write(tmp_path / "model", arrays(), [1, 2])
    with pytest.raises(DataError, match=r"char_cnn\.filters is missing"):
        gloze.load(folder)
    (folder / "elmo_small_options.json").write_text("{")
    with pytest.raises(DataError, match=r"options\.json.* not valid JSON"):
        gloze.load(folder)


def of_links(folder):
    outside = write(folder.parent / "outside", arrays()) / "elmo_small_weights.hdf5"
    with h5py.File(folder / "elmo_small_weights.hdf5", "a") as file:
        del file["char_embed"]
        file["char_embed"] = h5py.ExternalLink(str(outside), "char_embed")


def of_words(folder):
    with h5py.File(folder / "elmo_small_weights.hdf5", "a") as file:
        del file["char_embed"]
        file["char_embed"] = np.zeros((261, 2), dtype=np.int32)


def of_a_group(folder):
    with h5py.File(folder / "elmo_small_weights.hdf5", "a") as file:
        del file["char_embed"]
        file.create_group("char_embed")


def of_nothing(folder):
    with h5py.File(folder / "elmo_small_weights.hdf5", "a") as file:
        del file["char_embed"]
        file.create_dataset("char_embed", (261, 2), np.float32, chunks=(1, 1))


def cut(folder):
    path = folder / "elmo_small_weights.hdf5"
    path.write_bytes(path.read_bytes()[:-3000])


def no_file(folder):
    (folder / "elmo_small_weights.hdf5").write_bytes(b"not HDF5 at all" * 100)


def absent(folder):
    (folder / "elmo_small_weights.hdf5").unlink()


def two(folder):
    write(folder, arrays(), name="other_weights.hdf5")
    (folder / "other_options.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (of_links, r"weights\.hdf5: it has no weights char_embed"),
        (of_words, r"char_embed is no array of numbers"),
        (of_a_group, r"char_embed is no array of numbers"),
        (of_nothing, r"the numbers of char_embed are not in the file"),
        (cut, r"weights\.hdf5: not readable as HDF5 \("),
        (no_file, r"weights\.hdf5: not readable as HDF5 \("),
        (absent, r"it has no weights \(\*\.hdf5\)\. One is to be there, beside options\.json"),
        (two, r"several files of weights: elmo_small_weights\.hdf5, other_weights\.hdf5"),
    ],
)
def test_weights_that_cannot_be_read_are_refused(tmp_path, spoil, message):
    folder = write(tmp_path / "model", arrays())
    spoil(folder)
    with pytest.raises(DataError, match=message):
        gloze.load(folder)


def test_files_beside_the_weights_are_passed_over(tmp_path):
    folder = write(tmp_path / "model", arrays())
    h5py.File(folder / "stored_vectors.hdf5", "w").close()
    assert gloze.load(folder).encoder.config.hidden_size == CELLS


def test_without_h5py_one_line_says_how_to_get_it(published, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"needs h5py\. .* 'gloze\[convert\]'"):
        gloze.load(published)


def test_what_needs_a_bert_refuses_it(published, tmp_path):
    with pytest.raises(ConfigError, match=r"holds an ELMo, whose vectors of words gloze encode"):
        load_parts(published)
    assert main(["fill", str(published), "a [MASK]"]) == 2
    assert main(["convert", str(published), "-o", str(tmp_path / "out")]) == 2
    with pytest.raises(ConfigError, match=r"give the run folder of a pre-training"):
        gloze.evaluate(published, tmp_path)


def test_a_folder_of_another_layout_goes_before(tmp_path, minilm):
    folder = tmp_path / "model"
    shutil.copytree(minilm, folder)
    write(folder, arrays())
    assert load_parts(folder).encoder.config.hidden_size == 384


def test_tasks_that_would_read_ids_refuse_it(published):
    with pytest.raises(ConfigError, match=r"an ELMo without a vocabulary, .*gloze encode"):
        load_any_parts(published)
    with pytest.raises(ConfigError, match=r"is no language model"):
        load_language_model(published)
