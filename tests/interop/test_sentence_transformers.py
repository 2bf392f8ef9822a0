"""sentence-transformers' folders: theirs give us their vectors, ours give them ours."""

import json

import numpy as np
import pytest

import gloze
from gloze.checkpoint import find_model, load
from gloze.core.errors import ConfigError, DataError
from gloze.interop.sentence_transformers import read_vectors
from gloze.nn.pooling import TextVectors
from tests.interop.models import copy_with, save_large

sentence_transformers = pytest.importorskip("sentence_transformers")

TEXTS = ["the cat sees it.", "a small dog", "", "my sister remembers the quiet garden", "x"]


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return save_large(tmp_path_factory.mktemp("ours") / "model")


def exported(ours, folder, **how):
    gloze.convert(ours, output=folder, to="sentence-transformers", **how)
    return folder


def theirs(folder):
    return sentence_transformers.SentenceTransformer(str(folder), device="cpu")


def expect_same_vectors(folder, texts=TEXTS):
    expected = theirs(folder).encode(texts, convert_to_numpy=True)
    vectors = load(folder).encode(texts)
    assert np.abs(vectors - expected).max() < 1e-5
    return vectors


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("pool", ["mean", "cls", "max"])
def test_they_read_what_we_write_and_give_our_vectors(ours, tmp_path, pool, normalize):
    folder = exported(ours, tmp_path / "st", pool=pool, normalize=normalize)
    vectors = expect_same_vectors(folder)
    asked = load(ours).encode(TEXTS, pooling=pool, normalize=normalize)
    assert np.abs(vectors - asked).max() < 1e-6
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1) == normalize


@pytest.mark.filterwarnings("ignore:.*were cut")
@pytest.mark.parametrize("pool", ["mean", "cls", "max"])
def test_we_read_what_they_write_of_it(ours, tmp_path, pool):
    model = theirs(exported(ours, tmp_path / "st", pool=pool, normalize=True))
    model.max_seq_length = 9
    model.save(str(tmp_path / "again"))
    vectors = read_vectors(tmp_path / "again")
    assert vectors == TextVectors(pool, normalize=True, max_length=9)
    expect_same_vectors(tmp_path / "again")


@pytest.mark.filterwarnings("ignore:.*were cut")
def test_texts_are_cut_where_they_cut_them(ours, tmp_path):
    model = theirs(exported(ours, tmp_path / "st"))
    model.max_seq_length = 9
    model.save(str(tmp_path / "again"))
    long = ["the cat sees the red house and a small dog likes warm bread"]
    expect_same_vectors(tmp_path / "again", long)
    with pytest.warns(UserWarning, match="1 of 1 texts were cut at 9 tokens"):
        load(tmp_path / "again").encode(long)


def test_a_default_prompt_is_set_before_every_text(ours, tmp_path):
    folder = exported(ours, tmp_path / "st")
    prompts = {"prompts": {"q": "the cat: "}, "default_prompt_name": "q"}
    copy = copy_with(folder, tmp_path / "c", "config_sentence_transformers.json", **prompts)
    vectors = expect_same_vectors(copy)
    plain = load(folder).encode(["the cat: " + text for text in TEXTS])
    assert np.abs(vectors - plain).max() < 1e-6


def test_a_released_model_gives_their_vectors(minilm):
    texts = ["The bank raised its rates.", "They sat on the bank.", "é 我 " * 20]
    vectors = expect_same_vectors(minilm, texts)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert load(minilm).vectors.max_length == 256


def test_a_released_model_converted_and_back_gives_the_same_vectors(minilm, tmp_path):
    for to in ("sentence-transformers", "google"):
        gloze.convert(minilm, output=tmp_path / to, to=to)
    texts = ["The bank raised its rates.", "They sat on the bank."]
    expected = load(minilm).encode(texts)
    assert np.array_equal(load(tmp_path / "sentence-transformers").encode(texts), expected)
    plain = load(tmp_path / "google").encode(texts, normalize=True)
    assert np.array_equal(plain, expected)


@pytest.mark.parametrize("to", ["huggingface", "google"])
def test_a_layout_without_a_place_for_the_pooling_says_so(ours, tmp_path, to):
    folder = exported(ours, tmp_path / "st", pool="cls")
    notes = gloze.convert(folder, output=tmp_path / to, to=to).notes
    assert "(pooling cls) has no place in the layout of" in notes[-1]
    assert not any("has no place" in n for n in gloze.convert(ours, output=tmp_path / "x").notes)


def test_an_older_folder_keeps_its_encoder_in_a_folder_of_its_own(ours, tmp_path):
    folder = exported(ours, tmp_path / "st", pool="max")
    (folder / "manifest.json").unlink()
    inner = folder / "0_Transformer"
    inner.mkdir()
    for path in [
        each for each in folder.iterdir() if each.is_file() and "modules" not in each.name
    ]:
        path.rename(inner / path.name)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    assert find_model(folder) == inner
    assert load(folder).vectors.pooling == "max"
    expect_same_vectors(folder)


def test_an_encoder_alone_says_nothing_of_vectors(ours):
    assert read_vectors(ours) is None
    assert load(ours).vectors == TextVectors()


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            "1_Pooling/config.json",
            {"pooling_mode_max_tokens": True},
            r"\['max', 'mean'\]: only one",
        ),
        (
            "1_Pooling/config.json",
            {"pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": True},
            "'lasttoken'",
        ),
        ("1_Pooling/config.json", {"include_prompt": False}, "prompt included"),
        ("1_Pooling/config.json", {"pooling_mode": "weightedmean"}, "'weightedmean': only one of"),
        ("sentence_bert_config.json", {"do_lower_case": True}, None),
    ],
)
def test_a_pooling_that_cannot_be_computed_is_refused(ours, tmp_path, file, change, message):
    copy = copy_with(exported(ours, tmp_path / "st"), tmp_path / "c", file, **change)
    if message is None:  # this vocabulary has no capitals, so nothing is left to do
        load(copy)
        copy_with(copy, tmp_path / "d", "tokenizer_config.json", do_lower_case=False)
        copy, message = tmp_path / "d", "do_lower_case cannot be done here"
    with pytest.raises(DataError, match=message):
        load(copy)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([{"type": "x.Transformer", "path": ""}], "made by nothing"),
        (
            [{"type": f"x.{kind}", "path": ""} for kind in ("Transformer", "Pooling", "Dense")],
            r"made by Pooling, Dense; only Pooling, and Normalize after it.*Remove modules\.json",
        ),
        ([{"type": "x.CLIPModel", "path": ""}], "first module is no Transformer"),
        ([], "first module is no Transformer"),
        ([{"type": "x.Transformer", "path": "../../etc"}], "outside of the folder"),
        ([{"type": "x.Transformer", "path": "/etc"}], "outside of the folder"),
        ([{"type": "x.Transformer", "path": "a\0b"}], "outside of the folder"),
        ([{"type": "x.Transformer", "path": "\ud800"}], r"module in '\\ud800', outside of"),
        ([{"type": "x.Transformer", "path": "a" * 9999}], "outside of the folder"),
        ({"a": 1}, "not a list of modules"),
        ([1], "not a list of modules"),
    ],
)
def test_modules_that_cannot_be_computed_are_refused(ours, tmp_path, modules, message):
    copy = copy_with(exported(ours, tmp_path / "st"), tmp_path / "c", "config.json")
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(DataError, match=rf"modules\.json.*{message}"):
        load(copy)


def test_what_the_layout_has_no_place_for_is_told(ours, tmp_path):
    result = gloze.convert(ours, output=tmp_path / "st", to="sentence-transformers")
    assert all(name.startswith("heads.") for name in result.left_out)
    assert "Left out: 7 weights" in str(result)
    assert "Pooling mean." in str(result)
    with pytest.raises(ConfigError, match="--pool and --normalize say nothing here"):
        gloze.convert(ours, output=tmp_path / "x", to="google", pool="cls")


def test_an_unknown_pooling_is_refused(ours):
    with pytest.raises(ConfigError, match="pooling 'sum': it is one of mean, cls, max"):
        load(ours).encode(TEXTS, pooling="sum")


def test_a_prompt_that_nothing_names_is_none(ours, tmp_path):
    folder = exported(ours, tmp_path / "st")
    for number, named in enumerate(({"a": 1}, ["a"], None, "b")):
        change = {"prompts": {"a": "x"}, "default_prompt_name": named}
        copy = tmp_path / str(number)
        assert load(
            copy_with(folder, copy, "config_sentence_transformers.json", **change)
        ).vectors.prompt == ""  # fmt: skip


def test_a_file_of_vectors_has_the_folders_pooling_and_the_rest_is_told(ours, tmp_path, capsys):
    folder = exported(ours, tmp_path / "st", pool="max", normalize=True)
    lines = tmp_path / "x.txt"
    lines.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    gloze.encode(folder, input=lines, output=tmp_path / "v.npy")
    expected = load(folder).encode(TEXTS, normalize=False)
    assert np.allclose(np.load(tmp_path / "v.npy"), expected, atol=1e-6)
    assert "gives its vectors a length of 1: gloze.load" in capsys.readouterr().err
    gloze.encode(folder, input=lines, output=tmp_path / "w.npz", words=True)
    gloze.encode(ours, input=lines, output=tmp_path / "w.npy")
    assert "gloze encode does not" not in capsys.readouterr().err
