"""Pairs, analogies and outliers: gensim's figures, and some worked by hand."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from gloze.core.errors import DataError
from gloze.vectors.analogies import judge_analogies, read_analogies
from gloze.vectors.idf import document_weights
from gloze.vectors.outliers import judge_outliers, read_outliers
from gloze.vectors.table import WordVectors
from gloze.vectors.word_pairs import judge_pairs, read_pairs
from gloze.vectors.words import Words
from tests.vectors.small import table, theirs


def known_to(path, share=0.7):
    """Return a table with most words of a set, as they are or in small letters."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig") as file:
        words = sorted({word for line in file if line[0] != ":" for word in line.split()})
    words = [word for word in words if not word[0].isdigit()]
    kept = np.random.default_rng(1).random(len(words)) < share
    lower = {word.lower(): None for word, is_kept in zip(words, kept, strict=True) if is_kept}
    return table(lower, size=16)


@pytest.mark.parametrize(
    "name", ["en-ws-353-all.txt", "en-simlex-999.txt", "en-men-tr-3k.txt", "en-rw-stanford.txt"]
)
def test_pairs_are_judged_as_gensim_does(shared_data, tmp_path, name):
    path = shared_data / "word-similarity" / name
    pairs = read_pairs(path)
    vectors = known_to(path)
    tabbed = tmp_path / "pairs"
    tabbed.write_text("".join(f"{a}\t{b}\t{score}\n" for a, b, score in pairs), encoding="utf-8")
    linear, ranked, unknown = theirs(vectors).evaluate_word_pairs(str(tabbed))
    found = judge_pairs(vectors, pairs)
    assert found.spearman == pytest.approx(ranked[0], abs=1e-6)
    assert found.pearson == pytest.approx(linear[0], abs=1e-6)
    assert 1 - found.known / found.pairs == pytest.approx(unknown / 100)
    assert 0 < found.known < found.pairs


def test_analogies_are_judged_as_gensim_does(shared_data, tmp_path):
    path = shared_data / "analogies" / "questions-words.txt.gz"
    vectors = known_to(path)
    # Random vectors answer nothing: words of a pair are set at one distance, roughly.
    rng = np.random.default_rng(2)
    sections = read_analogies(path)
    for questions in sections.values():
        step = rng.standard_normal(16)
        for a, b, _, _ in questions:
            first, second = (vectors.words.row(word.lower()) for word in (a, b))
            if first >= 0 <= second:
                noise = 0.3 * rng.standard_normal(16)
                vectors.vectors[second] = vectors.vectors[first] + step + noise
    plain = tmp_path / "questions"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    score, own = theirs(vectors).evaluate_word_analogies(str(plain))
    found = judge_analogies(vectors, sections)
    expected = {each["section"]: (len(each["correct"]), len(each["incorrect"])) for each in own}
    for name, figures in found.items():
        assert (figures.correct, figures.known - figures.correct) == expected[name], name
    total = sum(figures.correct for figures in found.values())
    assert total / sum(figures.known for figures in found.values()) == pytest.approx(score)
    assert 0.05 < score < 0.95
    assert sum(figures.questions for figures in found.values()) == 19544


def square():
    numbers = {"man": [1, 0], "king": [1, 1], "woman": [-1, 0.1], "queen": [-1, 1], "Queen": [9, 9]}
    return WordVectors(Words.of(numbers), np.array(list(numbers.values()), np.float32))


@pytest.mark.parametrize("method", ["add", "mul"])
def test_an_answer_may_be_written_in_another_case(method):
    sections = {"royal": [("MAN", "king", "woman", "QUEEN"), ("man", "king", "dog", "queen")]}
    [figures] = judge_analogies(square(), sections, method=method).values()
    assert (figures.questions, figures.known, figures.correct) == (2, 1, 1)
    [figures] = judge_analogies(square(), sections, limit=3).values()
    assert (figures.known, figures.accuracy) == (0, None)


def test_products_answer_as_the_query_does():
    vectors = table([f"w{i}" for i in range(40)])
    questions = [("w0", f"w{i}", f"w{i + 1}", "w39") for i in range(1, 30)]
    for method, ask in (("add", vectors.most_similar), ("mul", vectors.most_similar_cosmul)):
        right = [(a, b, c, ask([b, c], [a], 1)[0][0]) for a, b, c, _ in questions]
        [figures] = judge_analogies(vectors, {"all": right}, method=method).values()
        assert figures.correct == len(right)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a b c d\n", r"q:1: a section \(: name\) expected"),
        (": s\na b c d\n\na b c\n", "q:4: four words expected, found 'a b c'"),
        (": s\n", "no questions of four words"),
    ],
)
def test_broken_analogies_are_refused(tmp_path, content, message):
    (tmp_path / "q").write_text(content)
    with pytest.raises(DataError, match=message):
        read_analogies(tmp_path / "q")


@pytest.mark.parametrize("part", ["\t", " ", ",", ";", "  "])
def test_pairs_may_be_parted_in_any_way(tmp_path, part):
    lines = [("word1", "word2", "mean"), ("a", "b", "1.5"), ("b", "c", "0")]
    text = "".join(part.join(line) + "\r\n" for line in lines)
    (tmp_path / "p").write_text(f"# of people\n\n{text}")
    assert read_pairs(tmp_path / "p") == [("a", "b", 1.5), ("b", "c", 0.0)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a b 1\na b\n", "p:2: two words and a score"),
        ("a b\nb c 1\n", "p:1: two words and a score"),
        ("a b 1\na b nan\n", "p:2: two words and a score"),
        ("a b c\n", "no pairs"),
        ("", "no pairs"),
    ],
)
def test_broken_pairs_are_refused(tmp_path, content, message):
    (tmp_path / "p").write_text(content)
    with pytest.raises(DataError, match=message):
        read_pairs(tmp_path / "p")


def test_too_few_known_pairs_have_no_figure():
    found = judge_pairs(table(["a", "b"]), [("a", "b", 1.0), ("a", "x", 2.0)])
    assert (found.pairs, found.known, found.spearman, found.pearson) == (2, 1, None, None)


def test_the_outlier_is_what_lies_apart(tmp_path):
    numbers = [[1, 0.1], [1, -0.1], [1, 0], [-1, 0], [1, 0.05]]
    vectors = WordVectors(Words.of("abcxy"), np.array(numbers, np.float32))
    (tmp_path / "o").write_text("\na\nb\nc\n \n\nx\ny\nunknown\n")
    group, outliers = read_outliers(tmp_path / "o")
    assert (group, outliers) == (["a", "b", "c"], ["x", "y", "unknown"])
    found = judge_outliers(vectors, group, outliers)
    # x lies opposite to all; y is nearer to the others than a and b, and farther than c.
    assert (found.outliers, found.known, found.accuracy) == (3, 2, 0.5)
    assert found.position == pytest.approx((1 + 1 / 3) / 2)
    (tmp_path / "o").write_text("a\nb\n")
    with pytest.raises(DataError, match="found 1 parts"):
        read_outliers(tmp_path / "o")


def test_weights_are_those_of_scikit_learn():
    text = pytest.importorskip("sklearn.feature_extraction.text")
    documents = ["the cat sat", "the dog sat on the mat", "a cat", "the the the"]
    made = text.TfidfVectorizer(token_pattern=r"\w+").fit(documents)
    words = [*made.get_feature_names_out(), "never"]
    found = document_weights(table(words), documents)
    np.testing.assert_allclose(found[:-1], made.idf_, rtol=1e-6)
    assert found[-1] == found.max()


def test_bags_of_words_are_those_of_scikit_learn():
    text = pytest.importorskip("sklearn.feature_extraction.text")
    documents = ["the cat sat", "the dog sat the dog", "a bird, and nothing else"]
    words = ["the", "cat", "dog", "sat", "bird"]
    vectors = WordVectors(Words.of(words), np.ones((5, 2), np.float32))
    vectors.idf = document_weights(vectors, documents)
    for pooling, made in (
        ("counts", text.CountVectorizer(vocabulary=words)),
        ("tf-idf", text.TfidfVectorizer(vocabulary=words)),
    ):
        wanted = made.fit(documents).transform(documents).toarray()
        found = vectors.encode(documents, pooling=pooling, normalize=pooling == "tf-idf")
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
