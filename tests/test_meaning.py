"""The benchmark of meaning in context: its readers, its figures, and its table, at a tiny size."""

import gzip
import json

import numpy as np
import pytest

from gloze.checkpoint import save_model
from gloze.config.build import build_learner
from gloze.core.errors import DataError
from gloze.encoders.lstm import LSTMConfig
from gloze.inference.model import Model
from tests.small import recipe, tokenizer

meaning = pytest.importorskip("benchmarks.meaning")
sets = pytest.importorskip("benchmarks.meaning_sets")

SENTENCES = ["the <b> cat </b> sees the red house", "a small<b> dog </b>sees warm bread ."]


def scws_line(number, score):
    cells = [str(number), "cat", "n", "dog", "n", *SENTENCES, str(score), *["0.0"] * 10]
    return "\t".join(cells) + "\n"


def wic_pair(number, split):
    text = ("The red house, open.", "a long river")
    return {
        "id": f"{split}.{number}", "lemma": "house", "pos": "NOUN",
        "sentence1": text[0], "start1": "8", "end1": "13",
        "sentence2": text[1], "start2": "2", "end2": "12",
    }  # fmt: skip


@pytest.fixture
def data(tmp_path):
    """Return a folder with the four sets, each of a few lines."""
    for name in ("scws", "mcl-wic", "coarsewsd-20/bank", "blimp"):
        (tmp_path / name).mkdir(parents=True)
    lines = [scws_line(number, score) for number, score in enumerate((1.5, 9.0))]
    (tmp_path / "scws" / "ratings.txt").write_text("".join(lines))
    for split, tags in (("dev", "TF"), ("test", "FT")):
        pairs = [wic_pair(number, split) for number in range(2)]
        with gzip.open(tmp_path / "mcl-wic" / f"{split}.en-en.data.gz", "wt") as file:
            json.dump(pairs, file)
        # In another order than the pairs.
        gold = [{"id": f"{split}.{number}", "tag": tags[number]} for number in (1, 0)]
        (tmp_path / "mcl-wic" / f"{split}.en-en.gold").write_text(json.dumps(gold))
    noun = tmp_path / "coarsewsd-20" / "bank"
    (noun / "train.data.txt").write_text("1\tthe house sees\n0\triver long\n1\tan open window\n")
    (noun / "train.gold.txt").write_bytes(b"0\r\n1\r\n1\r\n")
    (noun / "test.data.txt").write_text("1\tthe house sees\n0\triver long\n")
    (noun / "test.gold.txt").write_text("0\n1\n")
    pair = {"sentence_good": "the cat sees.", "sentence_bad": "cat the sees.", "UID": "order"}
    (tmp_path / "blimp" / "order.jsonl").write_text(json.dumps(pair) + "\n")
    published = {"UID": "order", "ngram": 0.5, "lstm": 0.25, "txl": 0.75, "gpt2": 1.0}
    (tmp_path / "blimp" / "published-results.jsonl").write_text(json.dumps(published) + "\n")
    return tmp_path


def test_marked_words_of_scws_are_found_wherever_the_mark_touches(data):
    left, right, scores = sets.read_scws(data / "scws")
    assert left[0] == sets.Occurrence(["the", "cat", "sees", "the", "red", "house"], 1)
    assert right[0] == sets.Occurrence(["a", "small", "dog", "sees", "warm", "bread", "."], 2)
    assert scores.tolist() == [1.5, 9.0]
    (data / "scws" / "ratings.txt").write_text(scws_line(1, 2).replace("<b>", ""))
    with pytest.raises(DataError, match=r"ratings\.txt:1: 18 columns are expected"):
        sets.read_scws(data / "scws")


def test_spans_of_mcl_wic_become_words_apart_from_marks_and_may_be_phrases(data):
    left, right, same = sets.read_wic(data / "mcl-wic", "dev")
    assert left[0] == sets.Occurrence(["The", "red", "house", ",", "open."], 2)
    assert right[0] == sets.Occurrence(["a", "long river"], 1)
    assert same.tolist() == [True, False]
    (data / "mcl-wic" / "dev.en-en.gold").write_text('[{"id": "dev.0", "tag": "T"}]')
    with pytest.raises(DataError, match=r"no T or F for 'dev\.1'"):
        sets.read_wic(data / "mcl-wic", "dev")


def test_senses_are_read_with_their_places(data):
    found, senses = sets.read_senses(data / "coarsewsd-20" / "bank", "train")
    assert found[1] == sets.Occurrence(["river", "long"], 0)
    assert senses.tolist() == [0, 1, 1]


def test_the_published_sets_are_read_in_full(shared_data):
    left, right, scores = sets.read_scws(shared_data / "scws")
    assert (len(left), len(right), scores.min() >= 0, scores.max() <= 10) == (
        2003,
        2003,
        True,
        True,
    )
    assert (left[0].words[left[0].place], right[0].words[right[0].place]) == ("Brazil", "nut")
    for split in ("dev", "test"):
        left, right, same = sets.read_wic(shared_data / "mcl-wic", split)
        assert (len(left), len(right), same.mean()) == (1000, 1000, 0.5)
    assert left[0].words[left[0].place] == "gently"


@pytest.mark.parametrize(
    ("cosines", "same", "expected"),
    [
        ([0.1, 0.4, 0.6, 0.9], [False, False, True, True], (0.5, 1.0)),
        ([0.1, 0.4, 0.6, 0.9], [False, True, False, True], (0.25, 0.75)),
        ([0.2, 0.2, 0.2], [True, True, False], (-0.8, 2 / 3)),
        ([0.2, 0.5], [False, False], (1.5, 1.0)),
    ],
)
def test_the_threshold_is_the_lowest_of_the_best(cosines, same, expected):
    assert meaning.threshold(np.array(cosines), np.array(same)) == pytest.approx(expected)


def test_the_nearest_mean_is_that_of_directions():
    train = np.array([[1, 0], [0.6, 0.8], [0, 1], [0, 1]])
    test = np.array([[0.8, 0.6], [0.3, 0.954]])
    assert meaning.by_mean(train, np.array([4, 4, 7, 7]), test).tolist() == [4, 7]


def test_layers_of_any_size_are_those_of_the_features_of_words():
    encoder = LSTMConfig(embedding_size=5, hidden_size=8, projection_size=3, direction="two_way")
    model = Model(encoder.build(tokenizer().vocab_size), tokenizer(), {})
    found = [sets.Occurrence(["the", "remembers", "cat"], 1), sets.Occurrence(["a", "dog"], 0)]
    layers = meaning.vectors_of(model, found)
    assert [layer.shape for layer in layers] == [(2, 10), (2, 6), (2, 6)]
    assert meaning.layers_of(model) == ["0", "1", "2"]
    texts = [each.words for each in found]
    for number, layer in enumerate(layers):
        own = model.features(texts, [number], words=True, pieces="mean")
        for each, features, vector in zip(found, own, layer, strict=True):
            expected = features.vectors[0, each.place]
            assert vector == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)


def test_models_of_all_kinds_are_in_one_table_and_what_they_cannot_do_is_said(
    data, tmp_path, monkeypatch
):
    _, learner = build_learner(recipe(), tokenizer())
    save_model(tmp_path / "bert", learner, tokenizer(), card="")
    vectors = ["5 2", "cat 1 0", "dog 0.8 0.6", "house 0 1", "river 1 0", "sees 0 1"]
    (tmp_path / "vectors.txt").write_text("\n".join(vectors) + "\n")
    out = tmp_path / "meaning.jsonl"
    models = [f"tiny={tmp_path / 'bert'}", f"words={tmp_path / 'vectors.txt'}"]
    words = ["meaning", *models, "--data", str(data), "--out", str(out)]
    monkeypatch.setattr("sys.argv", words)
    meaning.main()
    lines = {(x["model"], x["set"]): x for x in map(json.loads, out.read_text().splitlines())}
    assert len(lines) == 8
    # Both pairs are the same, so their order says nothing.
    assert lines["words", "scws"]["spearman"] == [0.0, 0.0]
    assert lines["tiny", "wic"]["layers"] == [
        str(n) for n in range(len(lines["tiny", "wic"]["test"]))
    ]
    senses = lines["words", "senses"]
    assert (senses["nearest"], senses["mean"]) == ([1.0, 1.0], [1.0, 1.0])
    assert senses["most_frequent"] == 0.5
    assert lines["tiny", "senses"]["nearest"] == [1.0] * 3
    assert lines["tiny", "blimp"]["types"]["order"]["examples"] == 1
    assert "an encoder is needed here" in lines["words", "blimp"]["missing"]
    before = out.read_text()
    meaning.main()
    assert out.read_text() == before
    table = meaning.table(out, data)
    assert "| words, the word alone | 100.0 |  |  |" in table
    assert "| BLiMP, accuracy | tiny | 5-gram | LSTM | Transformer-XL | GPT-2 |" in table
    assert "| 50.0 | 25.0 | 75.0 | 100.0 |" in table
    assert "- words, blimp: " in table
