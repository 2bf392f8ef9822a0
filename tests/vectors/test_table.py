"""What is asked of a table, against gensim and against numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from gloze.core.errors import ConfigError
from gloze.tokenizers import TokenizerConfig
from gloze.vectors import table as module
from gloze.vectors.table import WordVectors
from gloze.vectors.words import Words
from tests.vectors.small import table, theirs

WORDS = [f"w{i}" for i in range(60)]


@pytest.fixture(params=[None, 3], ids=["in one block", "in blocks of three rows"])
def vectors(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", 8 * request.param)
    return table(WORDS)


def close(found, expected):
    assert [word for word, _ in found] == [word for word, _ in expected]
    np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], atol=1e-6)


@pytest.mark.parametrize(
    ("positive", "negative"),
    [("w3", []), (["w3", "w4"], ["w5"]), (["w1"], ["w2", "w9"]), (np.arange(8.0), "w2")],
)
def test_neighbours_are_those_of_gensim(vectors, positive, negative):
    expected = theirs(vectors).most_similar(positive, negative, topn=7)
    close(vectors.most_similar(positive, negative, 7), expected)
    limited = theirs(vectors).most_similar(positive, negative, topn=7, restrict_vocab=20)
    close(vectors.most_similar(positive, negative, 7, 20), limited)


@pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")
def test_products_of_cosines_are_those_of_gensim(vectors, monkeypatch):
    expected = theirs(vectors).most_similar_cosmul(["w3", "w4"], ["w5"], topn=7)
    monkeypatch.setattr(module, "_EPSILON", 1e-6)
    close(vectors.most_similar_cosmul(["w3", "w4"], ["w5"], 7), expected)


def test_similarity_and_the_odd_one_are_those_of_gensim(vectors):
    assert vectors.similarity("w1", "w2") == pytest.approx(
        theirs(vectors).similarity("w1", "w2"), abs=1e-6
    )
    some = [f"w{i}" for i in range(3, 9)]
    assert vectors.doesnt_match(some) == theirs(vectors).doesnt_match(some)


def test_equal_scores_come_in_the_order_of_rows():
    one = WordVectors(Words.of("abcd"), np.ones((4, 2), np.float32))
    assert one.most_similar("c", (), 2) == [("a", pytest.approx(1)), ("b", pytest.approx(1))]


def test_a_vector_of_zeros_is_like_nothing():
    found = WordVectors(Words.of("abc"), np.array([[0, 0], [1, 0], [2, 0]], np.float32))
    assert found.similarity("a", "b") == 0
    assert found.most_similar("b", (), 5) == [("c", 1.0), ("a", 0.0)]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda v: v["w600"], r"'w600' has no vector\. Did you mean 'w\d+'\?"),
        (lambda v: v.most_similar([]), "Nothing is asked"),
        (lambda v: v.most_similar_cosmul([], ["w1"]), "Nothing is asked"),
        (lambda v: v.most_similar("w1", (), 0), r"0 words \(topn, --top\) cannot be looked for"),
        (lambda v: v.most_similar("w1", (), 2.5), r"2\.5 words \(topn"),
        (lambda v: v.most_similar("w1", (), 3, 0), "The limit is 0: at least one word"),
        (lambda v: v.most_similar(None), "None is asked for"),
        (lambda v: v.most_similar([("w1", 0.5)]), "neither word nor array"),
        (lambda v: v.similarity("w1", 3), "3 is asked for, which is no word"),
        (lambda v: v["\ud800"], "has no vector"),
        (lambda v: v.most_similar(np.ones(3)), r"A vector of \(3,\) is asked for, not \(8,\)"),
        (lambda v: v.doesnt_match(["w1", "w2"]), "2 words have no odd one out"),
        (lambda v: v.encode("w1"), "takes a list of texts"),
        (
            lambda v: v.encode(["w1"], pooling="max"),
            "pooling 'max': it is one of mean, idf, counts",
        ),
        (lambda v: v.encode(["w1"], pooling="idf"), r"without the weights of words \(idf\)"),
    ],
)
def test_impossible_questions_are_refused(ask, message):
    with pytest.raises(ConfigError, match=message):
        ask(table(WORDS))


NUMBERS = np.array([[1, 0], [0, 2], [3, 3]], np.float32)


def test_a_text_is_the_mean_of_its_words():
    found = WordVectors(Words.of(["the", "cat", "sat"]), NUMBERS, cut=TokenizerConfig(kind="words"))
    texts = ["The cat!", "sat, sat the unknown", "cat"]
    expected = [[0.5, 1], [7 / 3, 2], [0, 2]]
    np.testing.assert_allclose(found.encode(texts), expected, atol=1e-6)
    lengths = np.linalg.norm(found.encode(texts, normalize=True), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)
    assert found.encode([]).shape == (0, 2)


def test_words_count_by_their_weights():
    weights = np.array([1, 3, 0.5], np.float32)
    found = WordVectors(Words.of(["the", "cat", "sat"]), NUMBERS, idf=weights)
    vectors = found.encode(["the cat sat"], pooling="idf")
    np.testing.assert_allclose(vectors, [[(1 + 1.5) / 4.5, (6 + 1.5) / 4.5]], atol=1e-6)


def test_capitals_are_kept_where_they_mean_something():
    found = WordVectors(Words.of(["The", "the"]), NUMBERS[:2])
    np.testing.assert_allclose(found.encode(["The", "the"]), NUMBERS[:2])


def test_a_text_without_a_known_word_is_zeros_and_told():
    found = WordVectors(Words.of(["the"]), NUMBERS[:1])
    with pytest.warns(UserWarning, match="2 of 3 texts have no word with a vector"):
        vectors = found.encode(["the", "what", ""])
    np.testing.assert_array_equal(vectors, [[1, 0], [0, 0], [0, 0]])


def test_the_length_of_a_long_vector_is_its_length():
    found = WordVectors(Words.of("ab"), np.array([[2e38, 2e38], [1, 1]], np.float32))
    assert found.norms[0] == pytest.approx(2e38 * np.sqrt(2))
    assert found.similarity("a", "b") == pytest.approx(1)


def test_words_of_all_writing_are_found_in_a_text(tmp_path):
    from gloze.interop.vector_tables import read_table

    words = ["caf\u00e9", "na\u00efve", "the", "\uc548\ub155", "\u0939\u093f\u0928", "\u304c\u304f"]
    (tmp_path / "v").write_text("".join(f"{word} {i} 1\n" for i, word in enumerate(words)))
    found = read_table(tmp_path / "v")
    vectors = found.encode([*words, "Caf\u00e9 THE"])
    np.testing.assert_allclose(vectors[:, 0], [0, 1, 2, 3, 4, 5, 1])
