"""Tables are read strictly: what is wrong is named with file, line and column."""

import bz2
import contextlib
import csv
import gzip
import lzma
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.errors import ConfigError, DataError
from gloze.tasks.lines import read_lines
from gloze.tasks.tables import kind_of, read_rows
from gloze.tasks.writing import write_table

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def write(folder, content, name="data.tsv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(path, kind="tsv"):
    return [row.values for row in read_rows(path, kind)]


def test_a_lone_quote_in_tsv_is_text(tmp_path):
    path = write(tmp_path, 'text\tlabel\n" the food\t1\nsaid "yes\t0\n')
    assert [row["text"] for row in rows(path)] == ['" the food', 'said "yes']


def test_tsv_accepts_crlf_and_a_byte_order_mark(tmp_path):
    path = write(tmp_path, b"\xef\xbb\xbftext\tlabel\r\na\t1\r\n")
    assert rows(path) == [{"text": "a", "label": "1"}]


def test_rare_separators_of_unicode_do_not_end_a_line(tmp_path):
    path = write(tmp_path, "text\tlabel\na\x1cb\u2028c\x85d\t1\n")
    assert rows(path) == [{"text": "a\x1cb\u2028c\x85d", "label": "1"}]


def test_csv_quoting_holds_commas_quotes_and_line_breaks(tmp_path):
    path = write(tmp_path, 'text,label\n"a, ""b""\nc",1\nd,0\n', "data.csv")
    assert [(row.line, row.values["text"]) for row in read_rows(path, "csv")] == [
        (2, 'a, "b"\nc'),
        (4, "d"),
    ]


def test_csv_cells_keep_their_line_ends(tmp_path):
    path = write(tmp_path, b'text,label\r\n"a\r\nb\nc\rd",1\r\ne,0', "data.csv")
    assert [row["text"] for row in rows(path, "csv")] == ["a\r\nb\nc\rd", "e"]
    with write_table(tmp_path / "out.csv", force=False) as writer:
        writer.write(rows(path, "csv"))
    assert rows(tmp_path / "out.csv", "csv") == rows(path, "csv")


def test_csv_cells_may_be_long_and_have_a_limit(tmp_path, monkeypatch):
    path = write(tmp_path, f"text,label\n{'a' * 200_000},1\n", "data.csv")
    assert len(rows(path, "csv")[0]["text"]) == 200_000
    monkeypatch.setattr("gloze.tasks.tables.MAX_CELL", 199_999)
    monkeypatch.setattr(
        "csv.field_size_limit", lambda limit=0, real=csv.field_size_limit: real(199_999)
    )
    with pytest.raises(DataError, match=r"data\.csv:2: a cell of over 199,999 characters\. Is a "):
        rows(path, "csv")


def test_parquet_values_that_cannot_be_are_refused(tmp_path):
    path = tmp_path / "data.parquet"
    for kind, values in (
        (pa.string(), pa.array([b"a\xff"]).view(pa.string())),
        (pa.date32(), pa.array([2**31 - 1], pa.int32()).view(pa.date32())),
        (pa.duration("s"), pa.array([2**62], pa.int64()).view(pa.duration("s"))),
        (pa.timestamp("us"), pa.array([2**62], pa.int64()).view(pa.timestamp("us"))),
    ):
        pq.write_table(pa.table({"text": ["a"], "when": values.cast(kind)}), path)
        with pytest.raises(DataError, match=r"data\.parquet: not a readable Parquet file"):
            rows(path, "parquet")


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", zstd.compress),
    ],
)
def test_compressed_tables_are_read_and_cut_ones_refused(tmp_path, suffix, pack):
    packed = pack(b"text\tlabel\n" + b"some text\t1\n" * 500)
    path = write(tmp_path, packed, f"data.tsv{suffix}")
    assert kind_of(path) == "tsv"
    assert len(rows(path)) == 500
    cut = write(tmp_path, packed[: len(packed) // 2], f"cut.tsv{suffix}")
    with pytest.raises(DataError, match=r"cut\.tsv"):
        rows(cut)


def test_parquet_keeps_types(tmp_path):
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "label": [1, 0], "x": [0.5, None]}), path)
    assert rows(path, "parquet") == [
        {"text": "a", "label": 1, "x": 0.5},
        {"text": "b", "label": 0, "x": None},
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("text\tlabel\na\n", r"data\.tsv:2 column 'label': too few fields: 1.*2 columns"),
        ("text\tlabel\na\t1\tx\n", r"data\.tsv:2: too many fields: 3"),
        ("text\ttext\na\tb\n", r"data\.tsv:1: .*'text' twice"),
        ("text\tlabel\na\t1\n\nb\t0\n", r"data\.tsv:3: an empty line"),
        (b"text\tlabel\na\xff\t1\n", r"data\.tsv:2: not UTF-8: byte 0xff at byte 2"),
        (b"text\tlabel\na\0\t1\n", r"data\.tsv:2: a NUL"),
        (b"text\tlabel\n" + b"a" * (1 << 20) + b"\t1\n", r"data\.tsv:2: over 1,048,576 bytes"),
        ("text\tlabel\n".encode("utf-16"), r"data\.tsv: not text but UTF-16: save it as UTF-8"),
        (gzip.compress(b"text\tlabel\n"), r"data\.tsv: not text but gzip: name it \.gz"),
        ("text\tlabel\ra\t1\r", r"data\.tsv: its lines end in CR alone; LF or CRLF is expected"),
    ],
)
def test_broken_tsv_is_refused_where_it_breaks(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        rows(write(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ('{"text": "a"\n', r":1: not valid JSON"),
        ('{"text": "a"}\n[1]\n', r":2: a JSON object is expected on each line, not list"),
        ('{"text": NaN}\n', r":1: not valid JSON \(NaN is not JSON"),
        ('{"text": "a", "text": "b"}\n', r":1: .*given twice"),
        ("[" * 100_000 + "\n", r":1: not valid JSON"),
    ],
)
def test_broken_jsonl_is_refused_where_it_breaks(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        rows(write(tmp_path, content, "data.jsonl"), "jsonl")


def test_broken_csv_and_parquet_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"data\.csv:2: broken CSV"):
        rows(write(tmp_path, 'text,label\n"open,1\nmore', "data.csv"), "csv")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        rows(write(tmp_path, b"PAR1 and nothing else", "data.parquet"), "parquet")


def test_a_missing_file_and_an_unknown_suffix_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        rows(tmp_path / "none.tsv")
    with pytest.raises(DataError, match=r"cannot tell from the name.*--format"):
        kind_of(Path("data.xls"))
    with pytest.raises(DataError, match="standard input has no name to tell what it is: say --fo"):
        kind_of(Path("-"))
    (tmp_path / "data.tsv").mkdir()
    with pytest.raises(DataError, match=r"data\.tsv: is a folder, not a file"):
        rows(tmp_path / "data.tsv")
    with pytest.raises(DataError, match="is a folder, not a file"):
        kind_of(tmp_path)


@pytest.mark.parametrize("text", ["a\rb\tc\n", "a\tb\r\n", "a\tb\r"])
def test_a_cr_among_other_line_ends_is_text(tmp_path, text):
    assert len(list(read_lines(write(tmp_path, text)))) == 1


def test_standard_input_is_read_as_its_kind_and_parquet_is_not(pipe):
    pipe(b"text\tlabel\na\t1\n")
    assert rows(Path("-")) == [{"text": "a", "label": "1"}]
    with pytest.raises(ConfigError, match="Parquet cannot be read from standard input: name the"):
        rows(Path("-"), "parquet")


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200), kind=st.sampled_from(["tsv", "csv", "jsonl", "parquet"]))
def test_random_bytes_give_rows_or_one_clear_error(tmp_path_factory, data, kind):
    path = write(tmp_path_factory.mktemp("fuzz"), data, f"data.{kind}")
    with contextlib.suppress(DataError):
        rows(path, kind)


cells = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r\n\t"), min_size=1
)


@settings(max_examples=60, deadline=None)
@given(
    table=st.lists(st.tuples(cells, cells), min_size=1, max_size=6),
    kind=st.sampled_from(["tsv", "csv", "jsonl", "parquet"]),
)
def test_a_written_table_reads_back_the_same(tmp_path_factory, table, kind):
    path = tmp_path_factory.mktemp("trip") / f"data.{kind}"
    content = [{"text": a, "label": b} for a, b in table]
    with write_table(path, force=False) as writer:
        writer.write(content)
    assert rows(path, kind) == content


def test_tsv_cannot_hold_a_tab_and_says_so(tmp_path):
    with (
        pytest.raises(DataError, match=r"tab or a line break.*csv or \.jsonl"),
        write_table(tmp_path / "out.tsv", force=False) as writer,
    ):
        writer.write([{"text": "a\tb"}])
    assert list(tmp_path.iterdir()) == []
