"""Phrases: those that gensim finds, in the text that is written."""

from __future__ import annotations

import numpy as np
import pytest
from gensim.models.phrases import Phrases

import gloze
from gloze import cli
from gloze.vectors.phrases import join_phrases

WORDS = ["of", "the", "a", "in", "city", "river", "new", "york", "times", "big", "old"]


def write_corpus(path, lines=600):
    """Write sentences in which new, york and times often stand together."""
    draw = np.random.default_rng(0)
    documents = []
    for _ in range(lines):
        words = draw.choice(WORDS, draw.integers(1, 9)).tolist()
        if draw.random() < 0.3:
            words[draw.integers(len(words)) :] = ["new", "york", *(["times"] * (words[0] < "d"))]
        documents.append(" ".join(words))
    path.write_text("\n\n".join(documents) + "\n")
    return documents


def score(worda_count, wordb_count, bigram_count, len_vocab, min_count, corpus_word_count):
    """Score as the first program does: with all words of the text, not all different ones."""
    return (bigram_count - min_count) / worda_count / wordb_count * corpus_word_count


def by_gensim(sentences, threshold, min_count, delimiter="_"):
    found = Phrases(
        sentences, min_count=min_count, threshold=threshold, scoring=score, delimiter=delimiter
    )
    return [list(found[sentence]) for sentence in sentences], found.export_phrases()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("threshold", "min_count"), [(1.0, 5), (1.5, 20), (3.0, 1)])
def test_each_pass_finds_the_phrases_of_gensim(tmp_path, threshold, min_count, threads):
    sentences = [line.split() for line in write_corpus(tmp_path / "corpus.txt")]
    once, phrases = by_gensim(sentences, threshold, min_count)
    # With the same delimiter gensim takes a phrase of the first pass for a pair of the second.
    twice, more = by_gensim(once, threshold, min_count, "+")
    twice = [[word.replace("+", "_") for word in sentence] for sentence in twice]
    for passes, wanted in ((1, once), (2, twice)):
        found = gloze.join_corpus(
            [tmp_path / "corpus.txt"],
            tmp_path / f"{passes}.txt",
            threshold=threshold,
            min_count=min_count,
            passes=passes,
            threads=threads,
        )
        lines = (tmp_path / f"{passes}.txt").read_text().split("\n")
        assert [line.split() for line in lines if line] == wanted
        assert found.phrases == [len(phrases), len(more)][:passes]
        assert found.words == sum(map(len, sentences))
        assert found.joined == sum(map(len, wanted))
        assert len(found.best) == min(10, found.phrases[-1])
        for phrase in found.best:
            assert phrase.replace(" ", "_+"[passes - 1]) in (phrases, more)[passes - 1]


def test_vectors_are_learned_of_phrases(tmp_path, capsys):
    write_corpus(tmp_path / "corpus.txt")
    command = ["vectors", "phrases", str(tmp_path / "corpus.txt"), "-o", str(tmp_path / "o.txt")]
    assert cli.main([*command, "--threshold", "1"]) == 0
    assert "new york" in capsys.readouterr().out
    assert cli.main([*command, "--threshold", "1"]) == 2
    gloze.pretrain(
        "skip-gram", corpus=tmp_path / "o.txt", output=tmp_path / "run",
        settings=["tokenizer.split=spaces", "encoder.hidden_size=8"],
    )  # fmt: skip
    assert "new_york" in gloze.load(tmp_path / "run")
    # Nothing but the text is left.
    assert {path.name for path in tmp_path.iterdir()} == {"corpus.txt", "o.txt", "run"}


def test_documents_and_sentences_are_kept_and_capitals_as_asked(tmp_path):
    (tmp_path / "corpus.txt").write_text("New York. A café!\n\nNew York again.\n")
    for cased, first in ((True, "New York ."), (False, "new york .")):
        path = tmp_path / f"{cased}.txt"
        config = gloze.TokenizerConfig(kind="words", cased=cased)
        gloze.join_corpus([tmp_path / "corpus.txt"], path, config=config)
        assert path.read_text().split("\n")[0] == first
        assert path.read_text().count("\n\n") == 2


def test_a_phrase_takes_its_words_from_the_left():
    phrases = {("a", "b"): 1.0, ("b", "c"): 1.0, ("a_b", "c"): 1.0}
    assert list(join_phrases("abcbc", phrases)) == ["a_b", "c", "b_c"]
    assert list(join_phrases([], phrases)) == []


@pytest.mark.parametrize("setting", ["threshold", "min-count", "passes", "threads"])
def test_impossible_settings_are_refused(tmp_path, capsys, setting):
    write_corpus(tmp_path / "corpus.txt", 5)
    command = ["vectors", "phrases", str(tmp_path / "corpus.txt"), "-o", str(tmp_path / "o.txt")]
    assert cli.main([*command, f"--{setting}", "0"]) == 2
    assert "must be over 0" in capsys.readouterr().err
    assert not (tmp_path / "o.txt").exists()
