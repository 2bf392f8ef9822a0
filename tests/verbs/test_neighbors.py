"""Neighbours: occurrences by sense, exact search, an index that is whole and of its model."""

import json
import shutil

import numpy as np
import pytest

from gloze import cli, load
from gloze.core.errors import ConfigError, DataError
from gloze.probes.occurrences import Index
from gloze.probes.search import cosines, unit_length
from gloze.probes.tokens import token_neighbors
from gloze.probes.words import Word, vectors_at, words_of
from gloze.tasks.lines import read_lines
from gloze.vectors.search import nearest
from gloze.verbs.neighbors import neighbors
from tests.verbs import labelled

LINES = [
    "the cat sees a house.",
    "a small dog sees the cat.",
    "my sister likes \u4e2d\u6587 and \u4e2d\u56fd \U0001f600.",
    "The  CAT, the old captain!",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return labelled.model_folder(tmp_path_factory.mktemp("neighbors") / "model")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "lines.txt"
    path.write_text("\n".join(LINES), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def index(model, corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "index"
    neighbors(model, corpus=corpus, index=folder)
    return folder


def test_the_vector_of_each_occurrence_is_the_mean_of_its_tokens_in_its_sentence(model, index):
    loaded, opened = load(model), Index(index)
    expected, places = [], []
    for line in LINES:
        [found] = loaded.features([line])
        for word in words_of(loaded.tokenizer, [line])[0]:
            inside = [word.start <= a < word.end for a in found.offsets[:, 0]]
            if "[UNK]" not in word.name:
                expected.append(unit_length(found.vectors[0, inside].mean(0)))
                places.append((word.start, word.end))
    assert np.allclose(opened.arrays["vectors"], np.stack(expected), atol=1e-3)
    assert opened.arrays["places"].tolist() == [list(place) for place in places]


def test_occurrences_are_found_whatever_their_case_and_punctuation_is_no_word(model, index):
    result = neighbors(model, "the [[cat]] sees a house.", index=index, top=9)
    [query] = result.queries
    assert query.occurrences == len(query.hits) == 3
    assert {hit.word for hit in query.hits} == {"cat", "CAT"}
    assert {hit.sentence for hit in query.hits} == {LINES[0], LINES[1], LINES[3]}
    best = query.hits[0]
    assert (best.sentence, best.cosine) == (LINES[0], pytest.approx(1, abs=1e-3))
    assert all(hit.sentence[hit.start : hit.end] == hit.word for hit in query.hits)
    assert [hit.cosine for hit in query.hits] == sorted(
        (h.cosine for h in query.hits), reverse=True
    )
    assert result.facts.sentences == 4
    assert result.facts.unknown > 0


def test_any_word_searches_them_all_and_is_exact(model, index):
    [query] = neighbors(model, "a small [[dog]] sees", index=index, top=5, any_word=True).queries
    [features] = load(model).features(["a small dog sees"])
    [vector] = vectors_at(features, [Word(8, 11, "dog")])
    vectors = np.load(index / "vectors.npy").astype(np.float32)
    expected = np.sort(vectors @ vector)[::-1][:5]
    assert [hit.cosine for hit in query.hits] == pytest.approx(expected.tolist(), abs=1e-5)
    assert query.hits[0].word == "dog"


def test_words_that_stand_one_behind_the_other_are_found_as_one(model, index):
    [query] = neighbors(model, "the [[old captain]] sees", index=index).queries
    assert [hit.word for hit in query.hits] == ["old captain"]
    [absent] = neighbors(model, "the [[captain old]] sees", index=index).queries
    assert (absent.hits, absent.occurrences) == ([], 0)
    [comma] = neighbors(model, "the cat[[,]] sees", index=index).queries
    assert (comma.hits, comma.occurrences) == ([], 0)


def test_words_with_something_between_them_are_not_one_behind_the_other(model, tmp_path):
    path = tmp_path / "lines.txt"
    lines = ["the old captain", "an old, captain", "the old dog, captain", "old  captain"]
    path.write_text("\n".join(lines), encoding="utf-8")
    for name, only in (("all", ()), ("some", ("old captain",)), ("two", ("captain", "old"))):
        neighbors(model, corpus=path, index=tmp_path / name, only=only)
        [query] = neighbors(model, "the [[old captain]] sees", index=tmp_path / name).queries
        assert query.occurrences == len(query.hits) == 2
        assert {hit.sentence for hit in query.hits} == {lines[0], lines[3]}
        [comma] = neighbors(model, "the [[old, captain]] sees", index=tmp_path / name).queries
        assert [hit.word for hit in comma.hits] == ["old, captain"]


@pytest.mark.parametrize("query", ["the c[[at]] sees", "the [[ca]]t sees", "t[[he ca]]t sees"])
def test_a_part_of_a_word_is_no_word(model, index, query):
    with pytest.raises(ConfigError, match=r"marks a part of '(the|cat)': mark all of it"):
        neighbors(model, query, index=index, any_word=True)


def test_search_in_blocks_is_search(monkeypatch):
    draw = np.random.default_rng(0)
    vectors = unit_length(draw.normal(size=(50, 8)))
    query, rows = vectors[3], np.arange(0, 50, 2)
    monkeypatch.setattr("gloze.probes.search._BLOCK_NUMBERS", 24)
    assert np.allclose(cosines(vectors, query), vectors @ query, atol=1e-6)
    assert np.allclose(cosines(vectors, query, rows), vectors[rows] @ query, atol=1e-6)
    assert nearest(np.array([1.0, 3.0, 3.0, 2.0], dtype=np.float32), 3).tolist() == [1, 2, 3]
    assert unit_length(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


def test_the_token_table_of_a_real_model_knows_its_words(minilm):
    found = token_neighbors(load(minilm), ["bank"], 5)
    assert [each.token for each in found][:2] == ["banks", "banking"]
    assert not any(each.token.startswith("[") for each in token_neighbors(load(minilm), ["x"], 500))


@pytest.mark.slow
def test_two_banks_have_neighbours_of_their_own(minilm, shared_data, tmp_path):
    folder = shared_data / "coarsewsd-20" / "bank"
    rows = [line.split("\t")[1] for _, line in read_lines(folder / "train.data.txt.gz")]
    senses = [int(line) for _, line in read_lines(folder / "train.gold.txt")]
    river = [row for row, sense in zip(rows, senses, strict=True) if sense == 1]
    money = [row for row, sense in zip(rows, senses, strict=True) if sense == 0][:150]
    (tmp_path / "bank.txt").write_text("\n".join(river + money), encoding="utf-8")
    found = neighbors(
        minilm,
        "He sat on the [[bank]] of the river.",
        "The [[bank]] raised its interest rates.",
        corpus=tmp_path / "bank.txt",
        index=tmp_path / "index",
        only=["bank"],
        top=5,
    )
    by_river, by_money = ([hit.sentence for hit in query.hits] for query in found.queries)
    assert all(any(each in text for text in river) for each in by_river)
    assert all(any(each in text for text in money) for each in by_money)


def test_a_word_alone_is_looked_up_in_the_token_table(model):
    [query] = neighbors(model, "Cat", top=4).queries
    loaded = load(model)
    assert query.pieces == loaded.tokenizer.tokens(loaded.tokenizer.encode(["cat"])[0])
    assert query.hits is None
    assert len(query.tokens) == 4
    assert not {found.token for found in query.tokens} & {*query.pieces, "[PAD]", "[MASK]"}


def test_an_index_of_some_words_holds_only_these(model, corpus, tmp_path):
    neighbors(model, corpus=corpus, index=tmp_path / "i", only=["Cat"], layer=0)
    opened = Index(tmp_path / "i")
    assert (opened.facts.occurrences, opened.facts.layer) == (3, 0)
    with pytest.raises(DataError, match="no occurrence of such a word"):
        neighbors(model, corpus=corpus, index=tmp_path / "j", only=["zebra"])
    assert not (tmp_path / "j").exists()


def test_the_same_corpus_gives_the_same_bytes(model, corpus, index, tmp_path):
    neighbors(model, corpus=corpus, index=tmp_path / "i")
    for file in sorted(index.iterdir()):
        assert file.read_bytes() == (tmp_path / "i" / file.name).read_bytes(), file.name


def test_an_index_of_another_layer_than_the_one_asked_for_is_refused(model, index):
    for layer in (-1, 2, None):
        neighbors(model, "the [[cat]]", index=index, layer=layer)
    with pytest.raises(ConfigError, match=r"holds layer 2 and --layer is 0.*with --corpus"):
        neighbors(model, "the [[cat]]", index=index, layer=0)


def test_an_index_of_another_model_is_refused(index, minilm):
    with pytest.raises(DataError, match="made with another model"):
        neighbors(minilm, "the [[cat]]", index=index)


def test_a_cut_or_foreign_index_is_refused(model, corpus, tmp_path):
    folder = tmp_path / "i"
    neighbors(model, corpus=corpus, index=folder)
    (folder / "manifest.json").unlink()
    np.save(folder / "words.npy", np.zeros(3, np.int32))
    with pytest.raises(DataError, match=r"words\.npy: does not fit index\.json"):
        neighbors(model, "the [[cat]]", index=folder)
    np.save(folder / "words.npy", np.zeros(3, np.int64))
    with pytest.raises(DataError, match=r"words\.npy: holds int64, expected int32"):
        neighbors(model, "the [[cat]]", index=folder)
    (folder / "words.npy").unlink()
    with pytest.raises(DataError, match="not a readable array"):
        neighbors(model, "the [[cat]]", index=folder)
    content = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps({**content, "words": [[1]]}))
    with pytest.raises(DataError, match="not an index"):
        neighbors(model, "the [[cat]]", index=folder)
    (folder / "index.json").write_text("{}")
    with pytest.raises(DataError, match="not an index of this version"):
        neighbors(model, "the [[cat]]", index=folder)
    with pytest.raises(DataError, match="no such file"):
        neighbors(model, "the [[cat]]", index=tmp_path / "none")


def test_an_index_altered_since_it_was_written_is_refused_by_the_file(model, index, tmp_path):
    folder = shutil.copytree(index, tmp_path / "i")
    path = folder / "text.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(DataError, match=r"text\.npy: altered since it was written"):
        neighbors(model, "the [[cat]]", index=folder)


def narrow(array):
    return array[:, :-1].copy()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("vectors", narrow, "vectors of 31 numbers, expected 32"),
        ("vectors", np.ravel, "1 dimensions, expected 2"),
        ("places", narrow, "does not fit"),
        ("places", np.ravel, "1 dimensions, expected 2"),
        ("words", lambda a: a[:, None].copy(), "2 dimensions, expected 1"),
        ("words", lambda a: a + 99, "numbers 99 to .*, expected 0 to "),
        ("sentences", lambda a: a + 99, "numbers 99 to 102, expected 0 to 3"),
        ("sentences", lambda a: a - 1, "numbers -1 to 2, expected 0 to 3"),
        ("text_ends", lambda a: a - a[0] - 1, r"text\.npy: does not fit"),
        ("text_ends", lambda a: a[[1, 0, 2, 3]].copy(), "ends that do not ascend"),
        ("text", lambda a: np.full_like(a, 255), "not UTF-8"),
    ],
)
def test_a_damaged_array_of_an_index_without_checksums_is_refused(
    model, index, tmp_path, name, change, message
):
    folder = shutil.copytree(index, tmp_path / "i")
    (folder / "manifest.json").unlink()
    np.save(folder / f"{name}.npy", change(np.load(folder / f"{name}.npy")))
    with pytest.raises(DataError, match=rf"\.npy: .*{message}|{message}"):
        neighbors(model, "the [[cat]] sees", index=folder)


@pytest.mark.parametrize(
    ("queries", "options", "message"),
    [
        ((), {}, "Nothing to do"),
        (("the [[cat]]",), {}, "looked for in an index"),
        (("[[the]] [[cat]]",), {"index": "i"}, "marks 2 words; mark one"),
        (("the cat sat",), {}, r"is not a word: mark the one that is meant"),
        (("",), {}, "is not a word"),
        (("cat",), {"top": 0}, "--top 0"),
        (("\u200b",), {}, "nothing of it is left"),
        ((), {"corpus": "x.txt"}, "say where with --index"),
        (("the [[cat]]",), {"index": "i", "only": ["cat"]}, "--only says what a new index holds"),
        (("cat",), {"layer": 1}, "--layer says what a new index holds"),
        (("cat",), {"index": "i", "any_word": True}, "--any-word .* mark one"),
    ],
)
def test_what_cannot_be_answered_is_refused(model, queries, options, message):
    with pytest.raises(ConfigError, match=message):
        neighbors(model, *queries, **options)


def test_neighbours_on_the_command_line(model, index, corpus, capsys):
    words = [
        "neighbors",
        str(model),
        "the [[cat]] sees",
        "dog",
        "--index",
        str(index),
        "--top",
        "2",
    ]
    assert cli.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [query["word"] for query in found["queries"]] == ["cat", "dog"]
    assert len(found["queries"][0]["hits"]) == len(found["queries"][1]["tokens"]) == 2
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert "3 occurrences of 'cat' in the corpus" in out
    assert "[cat]" in out
    again = ["neighbors", str(model), "--corpus", str(corpus), "--index", str(index)]
    assert cli.main(again) == 2
    assert "--force" in capsys.readouterr().err
