"""Features of texts from a table of words: means, and a vector for each word."""

from __future__ import annotations

import json

import numpy as np
import pytest

import gloze
from gloze import cli
from gloze.core.errors import ConfigError
from gloze.inference.features import FeatureConfig
from gloze.inference.word_features import iterate_word_features
from gloze.vectors.folder import save_vectors
from tests.vectors.small import table

WORDS = ["the", "film", ".", "u.s.", "good", "was", "don"]
TEXTS = ["The film was GOOD.", "nothing known here", "the U.S. film."]


@pytest.fixture
def vectors():
    return table(WORDS, idf=np.arange(1, 8, dtype=np.float32))


def features(vectors, texts, **changes):
    return list(iterate_word_features(vectors, texts, FeatureConfig(**changes)))


@pytest.mark.parametrize("pooling", ["mean", "idf"])
@pytest.mark.filterwarnings("ignore:.*have no word with a vector")
def test_pooled_texts_have_the_vectors_that_encode_gives(vectors, pooling):
    found = features(vectors, iter(TEXTS), pooling=pooling, combine="concat")
    expected = vectors.encode(TEXTS, pooling=pooling)
    np.testing.assert_array_equal([each.vectors for each in found], expected)
    assert [(each.tokens, each.unknown) for each in found] == [(5, 0), (3, 3), (7, 2)]
    [words] = features(vectors, [["The", "U.S."]], pooling="mean", combine="concat")
    np.testing.assert_allclose(words.vectors, vectors.vectors[[0, 3]].mean(0), rtol=1e-6)


def test_a_word_is_looked_up_whole_and_else_as_what_it_is_cut_into(vectors):
    [found] = features(vectors, ["the U.S. film. don't nowhere"], words=True)
    assert found.words == ["the", "U.S.", "film.", "don't", "nowhere"]
    assert found.offsets.tolist() == [[0, 3], [4, 8], [9, 14], [15, 20], [21, 28]]
    assert found.pieces.tolist() == [1, 1, 2, 3, 1]
    assert (found.tokens, found.unknown) == (8, 3)
    own = vectors.vectors
    expected = [own[0], own[3], own[1], own[6], np.zeros(8)]
    np.testing.assert_array_equal(
        found.by_word if found.vectors.ndim == 2 else found.vectors[0], expected
    )
    [means] = features(vectors, [["film.", "\x07"]], words=True, pieces="mean", combine="concat")
    np.testing.assert_allclose(means.vectors[0], own[[1, 2]].mean(0), rtol=1e-6)
    assert (means.pieces.tolist(), means.vectors[1].any()) == ([2, 0], False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "cls"}, "--pooling cls is of encoders"),
        ({"pooling": "none"}, "add --words"),
        ({"pooling": "mean", "layers": (-2,)}, "--layers and --combine are of encoders"),
        ({"pooling": "mean", "combine": "sum"}, "--layers and --combine are of encoders"),
        ({"pooling": "mean", "long": "cut"}, "--long and --stride are of encoders"),
        ({"pooling": "mean", "stride": 3}, "--long and --stride are of encoders"),
    ],
)
def test_what_only_encoders_can_is_refused(vectors, changes, message):
    with pytest.raises(ConfigError, match=message):
        features(vectors, TEXTS, **{"combine": "concat", **changes})


def test_weights_that_are_not_there_are_asked_for():
    with pytest.raises(ConfigError, match="gloze vectors convert --idf"):
        features(table(WORDS), TEXTS, pooling="idf", combine="concat")


@pytest.mark.filterwarnings("ignore:.*have no word with a vector")
def test_encode_writes_files_of_vectors_of_words(tmp_path, vectors, capsys):
    save_vectors(tmp_path / "v", vectors)
    (tmp_path / "in.txt").write_text("\n".join(TEXTS) + "\n")
    call = ["encode", str(tmp_path / "v"), "--input", str(tmp_path / "in.txt")]
    assert cli.main([*call, "-o", str(tmp_path / "a.npy"), "--pooling", "idf"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), vectors.encode(TEXTS, pooling="idf"))
    assert cli.main([*call, "-o", str(tmp_path / "a.jsonl"), "--words"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [row["words"] for row in rows] == [text.split() for text in TEXTS]
    np.testing.assert_allclose(rows[2]["vectors"][1], vectors["u.s."], rtol=1e-6)
    assert cli.main([*call, "-o", str(tmp_path / "b.npy"), "--pooling", "max"]) == 2
    assert "--pooling max is of encoders" in capsys.readouterr().err


def test_idf_is_refused_of_an_encoder():
    with pytest.raises(ConfigError, match="this model is an encoder"):
        FeatureConfig(pooling="idf").resolved(2)


def test_neighbors_of_words_are_those_that_vectors_gives(tmp_path, vectors, capsys):
    save_vectors(tmp_path / "v", vectors)
    found = gloze.neighbors(tmp_path / "v", "film", "the", top=3)
    assert found.queries["film"] == vectors.most_similar("film", topn=3)
    assert cli.main(["neighbors", str(tmp_path / "v"), "film"]) == 0
    for more, message in (
        (["the [[film]]"], "is about words in their contexts"),
        (["film", "--layer", "0"], "--layer is about words in their contexts"),
        (["film", "--index", str(tmp_path / "i")], "--index is about words in their contexts"),
        (["films"], "'films' has no vector. Did you mean 'film'?"),
        ([], "Nothing is asked"),
    ):
        assert cli.main(["neighbors", str(tmp_path / "v"), *more]) == 2
        assert message in capsys.readouterr().err
