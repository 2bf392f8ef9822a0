"""``gloze vectors``: what a person asks, from the command line to the answer."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import gloze
from gloze import cli
from gloze.core.errors import ConfigError, DataError
from gloze.interop.token_table import fill_token_table
from gloze.interop.vector_tables import write_table
from gloze.verbs.vectors_convert import convert_vectors
from gloze.verbs.vectors_evaluate import evaluate_vectors
from gloze.verbs.vectors_plot import plot_vectors
from tests.vectors.small import table

WORDS = ["man", "king", "woman", "queen", "dog", "cat", "cold", "hot"]


@pytest.fixture
def file(tmp_path):
    vectors = table(WORDS)
    vectors.vectors[3] = vectors.vectors[1] + vectors.vectors[2] - vectors.vectors[0]
    write_table(vectors, tmp_path / "v.txt", "text")
    return tmp_path / "v.txt"


def run(capsys, *words):
    assert cli.main(["vectors", *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_neighbours_and_analogies_are_those_of_the_table(capsys, file):
    loaded = gloze.load(file)
    found = run(capsys, "neighbors", file, "king", "dog", "--top", 3)["queries"]
    assert found == {
        word: [[near, pytest.approx(s)] for near, s in loaded.most_similar(word, (), 3)]
        for word in ("king", "dog")
    }
    for method, ask in (
        ("add", loaded.most_similar),
        ("mul", loaded.most_similar_cosmul),
    ):
        found = run(capsys, "analogy", file, "man", "king", "woman", "--method", method)
        [answers] = found["queries"].values()
        expected = ask(["king", "woman"], ["man"])
        assert answers == [[word, pytest.approx(score)] for word, score in expected]
        if method == "add":
            assert answers[0][0] == "queen"


def test_words_are_compared_and_the_odd_one_named(capsys, file):
    loaded = gloze.load(file)
    found = run(capsys, "similarity", file, "man", "king", "dog")
    assert found["odd"] == loaded.doesnt_match(["man", "king", "dog"])
    assert found["cosines"][0][1] == pytest.approx(loaded.similarity("man", "king"))
    assert run(capsys, "similarity", file, "man", "king")["odd"] is None
    assert cli.main(["vectors", "similarity", str(file), "man"]) == 2
    assert "Give two words to compare" in capsys.readouterr().err


def test_people_read_tables(capsys, file):
    for words in (("neighbors", file, "king"), ("similarity", file, "man", "king", "dog")):
        assert cli.main(["vectors", *map(str, words)]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^king\n  -?\d\.\d{4}  \w+$", text, re.MULTILINE)
    assert "The odd one out: " in text


def write_sets(folder):
    folder.mkdir()
    (folder / "pairs.txt").write_text("man king 3\nwoman queen 2\ndog cat 1\nx y 0\n")
    questions = ": family\nman king woman queen\n: gram1-test\ndog cat cold hot\nx y z w\n"
    (folder / "questions.txt").write_text(questions)
    (folder / "outliers.txt").write_text("dog\ncat\nman\n\nhot\n")
    (folder / ".hidden").write_text("")
    return folder


def test_all_sets_are_judged_in_one_table(tmp_path, capsys, file):
    sets = write_sets(tmp_path / "sets")
    convert_vectors(file, tmp_path / "ours")
    found = run(capsys, "evaluate", file, tmp_path / "ours", "--data", sets)
    first, second = found.values()
    assert first["figures"] == second["figures"]
    figures = {(each["set"], each["figure"]): each for each in first["figures"]}
    assert set(figures) == {
        ("outliers.txt", "accuracy"),
        ("outliers.txt", "position"),
        ("pairs.txt", "spearman"),
        ("questions.txt", "accuracy"),
        ("questions.txt, meaning", "accuracy"),
        ("questions.txt, grammar", "accuracy"),
    }
    assert (figures["pairs.txt", "spearman"]["known"], 4) == (3, 4)
    meaning = figures["questions.txt, meaning", "accuracy"]
    assert (meaning["value"], meaning["known"], meaning["asked"]) == (1.0, 1, 1)
    assert first["sections"]["questions.txt"]["gram1-test"]["questions"] == 2
    shown = str(evaluate_vectors([file, tmp_path / "ours"], sets))
    assert re.search(r"set +figure +v\.txt +known +ours +known", shown)
    assert re.search(r"pairs\.txt +spearman .* 3 of 4", shown)


def test_nothing_to_judge_by_is_refused(tmp_path, file):
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match="Nothing to judge by"):
        evaluate_vectors(file, tmp_path / "none")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(DataError, match="empty: an empty file"):
        evaluate_vectors(file, tmp_path / "empty")


def test_weights_of_words_come_from_a_corpus_and_are_kept(tmp_path, file):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("The man. The dog.\n\nA man, a man\n\ncold")
    made = convert_vectors(file, tmp_path / "ours", idf=[corpus])
    assert (made.words, made.size) == (8, 8)
    found = gloze.load(tmp_path / "ours")
    weights = dict(zip(WORDS, found.idf, strict=True))
    assert weights["man"] == pytest.approx(np.log(4 / 3) + 1)
    assert weights["dog"] == weights["cold"] == pytest.approx(np.log(4 / 2) + 1)
    assert weights["king"] == pytest.approx(np.log(4) + 1)
    assert found.encode(["man dog"], pooling="idf").shape == (1, 8)
    # Copied on with the rest.
    convert_vectors(tmp_path / "ours", tmp_path / "again")
    np.testing.assert_array_equal(gloze.load(tmp_path / "again").idf, found.idf)
    with pytest.raises(ConfigError, match="text has no place for"):
        convert_vectors(file, tmp_path / "t", form="text", idf=[corpus])


@pytest.mark.parametrize("form", ["text", "binary", "glove"])
def test_there_and_back_is_the_same_file(tmp_path, file, form):
    convert_vectors(file, tmp_path / "ours")
    convert_vectors(tmp_path / "ours", tmp_path / "other", form=form)
    convert_vectors(tmp_path / "other", tmp_path / "back.txt", form="text")
    assert (tmp_path / "back.txt").read_bytes() == file.read_bytes()


def test_nothing_is_written_over_what_is_read_or_not_ours(tmp_path, file):
    with pytest.raises(ConfigError, match="would write over it"):
        convert_vectors(file, file, form="text", force=True)
    with pytest.raises(ConfigError, match="exists already"):
        convert_vectors(file, tmp_path, form="gloze")
    with pytest.raises(ConfigError, match=r"holds v\.txt, which gloze does not write there"):
        convert_vectors(file, tmp_path, form="gloze", force=True)


@pytest.mark.parametrize("path", ["nothing", "."])
def test_no_vectors_are_told(tmp_path, path):
    with pytest.raises(ConfigError, match="holds no word vectors"):
        convert_vectors(tmp_path / path, tmp_path / "out")


@pytest.mark.parametrize("method", ["pca", "tsne", "umap"])
@pytest.mark.filterwarnings("ignore")
def test_words_are_drawn_with_their_neighbours(tmp_path, file, method):
    if method != "pca":
        pytest.importorskip({"tsne": "sklearn", "umap": "umap"}[method])
    made = plot_vectors(file, ["king", "dog"], tmp_path / "p.svg", top=2, method=method)
    loaded = gloze.load(file)
    expected = {"king", "dog"}
    for word in ("king", "dog"):
        expected |= {near for near, _ in loaded.most_similar(word, (), 2)}
    assert set(made.words) == expected
    picture = (tmp_path / "p.svg").read_text()
    assert picture.count("<circle") == len(expected)
    again = plot_vectors(file, ["king", "dog"], tmp_path / "q.svg", top=2, method=method)
    assert again.words == made.words


def test_principal_axes_keep_all_of_a_plane(tmp_path):
    vectors = table(["a", "b", "c", "d"], size=2)
    write_table(vectors, tmp_path / "v", "text")
    made = plot_vectors(tmp_path / "v", ["a", "b", "c", "d"], tmp_path / "p.svg", top=0)
    assert made.shown == pytest.approx(1)
    units = vectors.unit(np.arange(4))
    places = np.array(list(made.words.values()))
    for i in range(4):
        for j in range(4):
            assert np.linalg.norm(places[i] - places[j]) == pytest.approx(
                np.linalg.norm(units[i] - units[j]), abs=1e-5
            )
    with pytest.raises(ConfigError, match="2 words make no picture"):
        plot_vectors(tmp_path / "v", ["a", "b"], tmp_path / "r.svg", top=0)


def test_a_folder_of_ours_begins_a_token_table_as_its_file_does(tmp_path):
    import torch

    from tests.small import tokenizer

    own = tokenizer(143)
    whole = [t for t in own.tokens(range(143)) if t.isalpha()][:6]
    write_table(table(whole), tmp_path / "v.txt", "text")
    convert_vectors(tmp_path / "v.txt", tmp_path / "ours")
    made = []
    for path in (tmp_path / "v.txt", tmp_path / "ours"):
        torch.manual_seed(0)
        made.append(torch.nn.Embedding(143, 8))
        assert fill_token_table(made[-1], own, path).filled == len(whole)
    assert torch.equal(made[0].weight, made[1].weight)


def test_what_asks_nothing_is_refused(tmp_path, file, capsys):
    sets = write_sets(tmp_path / "sets")
    for words in (
        ["neighbors", file],
        ["evaluate", "--data", sets],
        ["neighbors", file, "king", "--limit", "-1"],
        ["evaluate", file, "--data", sets, "--limit", "0"],
        ["neighbors", file, "king", "--top", "0"],
    ):
        assert cli.main(["vectors", *map(str, words)]) == 2
        assert capsys.readouterr().err.startswith("error: ")


def test_sets_with_comments_and_semicolons_are_told_by_their_lines(tmp_path, file):
    (tmp_path / "pairs").write_text("# people\n\nman;king;3\nwoman;queen;2\n")
    [judged] = evaluate_vectors(file, tmp_path / "pairs").figures[str(file)]
    assert (judged.figure, judged.known) == ("spearman", 2)


def test_a_picture_or_a_copy_does_not_replace_the_vectors(tmp_path, file):
    with pytest.raises(ConfigError, match="would write over it"):
        plot_vectors(file, ["man", "king", "dog"], file, force=True)
    run = tmp_path / "run"
    convert_vectors(file, run / "model")
    with pytest.raises(ConfigError, match="would remove it"):
        convert_vectors(run, run / "model", force=True)


def test_words_that_steer_a_terminal_or_break_a_page_are_written_out(tmp_path, capsys):
    import xml.dom.minidom

    words = ["a\x1b[31mred", "\x0bv", "\uffff", "b"]
    convert_vectors(_binary(tmp_path / "v.bin", words), tmp_path / "v")
    assert cli.main(["vectors", "neighbors", str(tmp_path / "v"), "b"]) == 0
    assert "\x1b" not in capsys.readouterr().out
    plot_vectors(tmp_path / "v", ["b"], tmp_path / "p.svg")
    xml.dom.minidom.parse(str(tmp_path / "p.svg"))


def _binary(path, words):
    rows = [w.encode() + b" " + np.ones(2, "<f4").tobytes() + b"\n" for w in words]
    path.write_bytes(f"{len(words)} 2\n".encode() + b"".join(rows))
    return path
