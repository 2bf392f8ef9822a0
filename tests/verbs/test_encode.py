"""Encoding files: every kind in and out, order kept, words placed, memory flat, faults named."""

import gzip
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gloze import cli, load
from gloze.core.errors import ConfigError, DataError
from gloze.verbs.encode import encode
from tests.verbs import labelled

TEXTS = [
    "the cat sees a house",
    "",
    "na\u00efve caf\u00e9, \u200b \U0001f600",
    "x " * 90,
    "the dog",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return labelled.model_folder(tmp_path_factory.mktemp("encode") / "model")


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    return path


def test_an_array_has_the_vectors_of_features_in_the_order_of_the_lines(model, lines, tmp_path):
    summary = encode(model, input=lines, output=tmp_path / "v.npy")
    vectors = np.load(tmp_path / "v.npy")
    expected = np.stack([f.vectors[0] for f in load(model).features(TEXTS, pooling="mean")])
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, expected, atol=1e-6)
    assert (summary.texts, summary.vectors, summary.size) == (5, 5, expected.shape[1:])
    assert summary.counts["in_windows"] == summary.counts["empty"] == 1


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "first_last"])
def test_every_pooling_goes_to_an_array(model, lines, tmp_path, pooling):
    encode(model, input=lines, output=tmp_path / "v.npy", pooling=pooling)
    expected = load(model).features(TEXTS, pooling=pooling, combine="concat")
    vectors = np.load(tmp_path / "v.npy")
    assert vectors.shape == (5, 32)
    assert np.allclose(vectors, np.stack([f.vectors for f in expected]), atol=1e-6)


def test_the_same_input_gives_the_same_bytes(model, lines, tmp_path):
    for name in ("a.npz", "b.npz"):
        encode(model, input=lines, output=tmp_path / name, words=True)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_arrays_of_words_are_cut_by_their_lengths(model, lines, tmp_path):
    encode(
        model, input=lines, output=tmp_path / "v.npz", words=True, layers=(0, -1), combine="stack"
    )
    with np.load(tmp_path / "v.npz", allow_pickle=False) as found:
        arrays = dict(found)
    ends = np.cumsum(arrays["lengths"])
    expected = load(model).features(TEXTS, (0, -1), words=True)
    for end, size, each, text in zip(ends, arrays["lengths"], expected, TEXTS, strict=True):
        own = slice(end - size, end)
        assert [text[a:b] for a, b in arrays["offsets"][own]] == text.split()
        assert arrays["pieces"][own].tolist() == each.pieces.tolist()
        assert np.allclose(arrays["vectors"][own], each.vectors.transpose(1, 0, 2), atol=1e-6)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("combine", ["concat", "stack"])
def test_tables_keep_their_columns_and_add_words_places_and_vectors(
    model, tmp_path, suffix, combine
):
    path = tmp_path / "in.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(f"{json.dumps({'id': i, 'said': t})}\n" for i, t in enumerate(TEXTS))
    output = tmp_path / f"out{suffix}"
    encode(
        model, input=path, output=output, columns="text=said", words=True, layers=(1, 2),
        combine=combine,
    )  # fmt: skip
    if suffix == ".jsonl":
        rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    else:
        rows = pq.read_table(output).to_pylist()
    expected = load(model).features(TEXTS, (1, 2), words=True, combine=combine)
    for i, (row, each) in enumerate(zip(rows, expected, strict=True)):
        assert (row["id"], row["said"]) == (i, TEXTS[i])
        assert row["words"] == TEXTS[i].split()
        spans = zip(row["starts"], row["ends"], strict=True)
        assert [TEXTS[i][a:b] for a, b in spans] == row["words"]
        assert row["pieces"] == each.pieces.tolist()
        found = np.array(row["vectors"], dtype=np.float32)
        of_words = each.vectors if combine == "concat" else each.vectors.transpose(1, 0, 2)
        assert len(found) == len(row["words"])
        assert np.allclose(found.reshape(of_words.shape), of_words, atol=1e-6)


def test_json_numbers_come_back_as_the_same_single_precision(model, lines, tmp_path):
    encode(model, input=lines, output=tmp_path / "v.jsonl")
    encode(model, input=lines, output=tmp_path / "v.npy")
    written = (tmp_path / "v.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line)["vector"] for line in written]
    assert np.array_equal(np.array(rows, dtype=np.float32), np.load(tmp_path / "v.npy"))


def test_a_column_of_words_is_taken_as_it_is(model, tmp_path):
    words = [["the cat", "sees,"], [], ["\u200b"]]
    pq.write_table(pa.table({"words": words}), tmp_path / "in.parquet")
    for name, options in (("a", {"words": True}), ("b", {"columns": "words=words"})):
        summary = encode(
            model, input=tmp_path / "in.parquet", output=tmp_path / f"{name}.jsonl", **options
        )
        rows = [json.loads(x) for x in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert [row["words"] for row in rows] == words
        assert [len(row["vectors"]) for row in rows] == [2, 0, 1]
        assert set(rows[2]["vectors"][0]) == {0.0}
        assert summary.counts["lost_words"] == 1
        assert "1 words have no token" in str(summary)
    encode(
        model, input=tmp_path / "in.parquet", output=tmp_path / "p.npy", columns="words=words",
        pooling="mean",
    )  # fmt: skip
    assert np.load(tmp_path / "p.npy").shape[0] == 3


def test_what_is_cut_is_told(model, lines, tmp_path):
    summary = encode(model, input=lines, output=tmp_path / "v.npy", long="cut")
    assert summary.counts["cut"] == 1
    assert summary.counts["left_out"] > 0
    left = summary.counts["left_out"]
    assert f"1 texts were cut; {left:,} tokens behind the end were not read" in str(summary)
    assert f" {summary.counts['tokens'] - left:,} tokens, in " in str(summary)


def test_standard_input_on_the_command_line(model, tmp_path, monkeypatch, capsys):
    given = io.TextIOWrapper(io.BytesIO(b'{"text": "the cat"}\n{"text": "a dog"}\n'))
    monkeypatch.setattr("sys.stdin", given)
    out = tmp_path / "v.npy"
    words = ["encode", str(model), "--input", "-", "--format", "jsonl", "-o", str(out)]
    assert cli.main([*words, "--layers", "-2,-1", "--pool", "cls", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["texts"] == 2
    expected = load(model).features(["the cat", "a dog"], (-2, -1), combine="concat", pooling="cls")
    assert np.allclose(np.load(out), np.stack([f.vectors for f in expected]), atol=1e-6)


def test_texts_are_read_as_they_are_needed(model, tmp_path, monkeypatch):
    monkeypatch.setattr("gloze.inference.features._BLOCK_BYTES", {"cpu": 1 << 14})
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "the cat sees"}\n' * 3000 + "broken\n")
    with pytest.raises(DataError, match=r"in\.jsonl:3001: not valid JSON"):
        encode(model, input=path, output=tmp_path / "v.npy")
    assert {found.name for found in tmp_path.iterdir()} == {"in.jsonl"}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"output": "v.txt"}, ConfigError, r"must end in \.npy, \.npz, \.jsonl, \.parquet"),
        ({"output": "v.npy", "words": True}, ConfigError, r"\.npy holds one vector a text"),
        ({"output": "v.npz", "format": "jsn"}, ConfigError, "Did you mean 'jsonl'"),
        ({"output": "v.npz", "columns": "text=a"}, ConfigError, "--columns is for tables"),
        ({"output": "v.npz", "columns": "label=a"}, ConfigError, "unknown role 'label'"),
        ({"output": "v.npz", "columns": "text=a,words=b"}, ConfigError, "not both"),
        ({"output": "v.npz", "layers": (9,)}, ConfigError, "no layer 9"),
        ({"output": "texts.txt.npy", "input": "none.txt"}, DataError, "no such file"),
    ],
)
def test_what_cannot_be_done_is_refused(model, lines, tmp_path, options, error, message):
    options = {"input": lines, **options}
    options["output"] = tmp_path / options["output"]
    options["input"] = tmp_path / options["input"]
    with pytest.raises(error, match=message):
        encode(model, **options)
    assert {found.name for found in tmp_path.iterdir()} == {"texts.txt"}


def test_wrong_cells_are_named_by_line_and_column(model, tmp_path):
    path = tmp_path / "in.jsonl"
    for cell, options, message in (
        ("3", {}, r"in\.jsonl:1 column 'text': a text is expected, found int 3"),
        ("null", {}, "a text is expected, found nothing"),
        ('["a", 3]', {"columns": "words=text"}, "a list of words is expected"),
        ('"a"', {"columns": "text=txt"}, "no such column. Did you mean 'text'"),
        ('"a", "words": "b"', {"words": True}, "column 'words': a list of words is expected"),
    ):
        path.write_text(f'{{"text": {cell}}}\n')
        with pytest.raises(DataError, match=message):
            encode(model, input=path, output=tmp_path / "v.npz", **options)
    path.write_text('{"said": "a"}\n')
    with pytest.raises(DataError, match="no column of texts"):
        encode(model, input=path, output=tmp_path / "v.npz")
    path.write_text("")
    with pytest.raises(DataError, match="the file is empty"):
        encode(model, input=path, output=tmp_path / "v.npz")


def test_a_column_that_would_be_written_over_is_refused(model, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "a", "vector": 1}\n')
    with pytest.raises(DataError, match=r"column 'vector': the input has this column already"):
        encode(model, input=path, output=tmp_path / "v.jsonl")


def test_a_column_that_the_first_row_has_not_is_kept_or_refused(model, tmp_path):
    rows = tmp_path / "x.jsonl"
    rows.write_text('{"text": "a"}\n{"text": "b", "more": 1}\n')
    encode(model, input=rows, output=tmp_path / "v.jsonl")
    assert json.loads((tmp_path / "v.jsonl").read_text().splitlines()[1])["more"] == 1
    with pytest.raises(DataError, match="column 'more', which the first row has not"):
        encode(model, input=rows, output=tmp_path / "v.parquet")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".jsonl", ".parquet"])
def test_a_table_without_a_row_is_refused_and_nothing_is_written(model, tmp_path, suffix):
    table = tmp_path / "x.tsv"
    table.write_text("text\n")
    with pytest.raises(DataError, match=r"x\.tsv: the table has no row"):
        encode(model, input=table, output=tmp_path / f"v{suffix}")
    assert list(tmp_path.iterdir()) == [table]


def test_the_input_is_never_replaced(model, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "a"}\n')
    with pytest.raises(ConfigError, match=r"reads .*in\.jsonl, and would write over it"):
        encode(model, input=path, output=path, force=True)
    assert path.read_text() == '{"text": "a"}\n'


def test_an_existing_file_is_kept_unless_forced(model, lines, tmp_path):
    (tmp_path / "v.npy").touch()
    with pytest.raises(ConfigError, match="--force"):
        encode(model, input=lines, output=tmp_path / "v.npy")
    encode(model, input=lines, output=tmp_path / "v.npy", force=True)
    assert len(np.load(tmp_path / "v.npy")) == 5
