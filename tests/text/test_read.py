"""Corpora: every format read back as written, every fault counted with its place."""

from __future__ import annotations

import gzip
import io
import json
import os
import threading
from contextlib import contextmanager, suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gloze.core.errors import ConfigError, DataError, MissingExtraError
from gloze.text.lines import BLOCK_BYTES
from gloze.text.read import ReadOptions, ReadReport, read_documents, readable_twice

FEW = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
GOOD = b"a line\n" * 30_000


def texts(*inputs, **given_options):
    rejects, report = given_options.pop("rejects", None), given_options.pop("report", None)
    found = read_documents(
        inputs, options=ReadOptions(**given_options), rejects=rejects, report=report
    )
    return [document.paragraphs for document in found]


def write(folder, content, name="corpus.txt"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def jsonl(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


# Plain text.


def test_blank_lines_lie_between_documents(tmp_path):
    path = write(tmp_path, "\n\na\nb\n \t\n\n c \nd")
    documents = list(read_documents([path]))
    assert [document.paragraphs for document in documents] == [["a", "b"], ["c", "d"]]
    assert [document.source for document in documents] == [f"{path}:3", f"{path}:7"]


def test_a_file_may_be_one_document(tmp_path):
    write(tmp_path, "a\n\nb\n", "1.txt")
    write(tmp_path, "c\n", "2.txt")
    assert texts(tmp_path, one_document_per_file=True) == [["a", "b"], ["c"]]


def test_a_byte_order_mark_and_crlf_are_no_text(tmp_path):
    path = write(tmp_path, b"\xef\xbb\xbfa\r\nb\r\n\r\nc\r\n")
    assert texts(path) == [["a", "b"], ["c"]]


@pytest.mark.parametrize("space", ["\f", "\u2028", "\u2029", "\x85", "\x0b", "\x1c", "\r", "\t"])
def test_rare_separators_are_spaces_inside_a_line(tmp_path, space):
    row = json.dumps({"text": f"a{space}b"})
    assert texts(write(tmp_path, f"a{space}b\nc\n")) == [["a b", "c"]]
    assert texts(write(tmp_path, row, "a.jsonl")) == [["a b"]]


SAFE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1)
PARAGRAPHS = st.lists(SAFE.filter(lambda text: text.strip("\ufeff ") == text), min_size=1)
CORPUS = st.lists(PARAGRAPHS, min_size=1)


@FEW
@given(CORPUS, st.sampled_from(["\n", "\r\n"]), st.sampled_from([".txt", ".txt.gz"]))
def test_plain_text_reads_back_as_written(tmp_path, corpus, end, suffix):
    data = (end * 2).join(end.join(document) for document in corpus).encode()
    data = gzip.compress(data) if suffix.endswith("gz") else data
    assert texts(write(tmp_path, data, "corpus" + suffix)) == corpus


@FEW
@given(CORPUS, st.booleans())
def test_json_lines_read_back_as_written(tmp_path, corpus, is_ascii):
    rows = [json.dumps({"text": "\n".join(each)}, ensure_ascii=is_ascii) for each in corpus]
    assert texts(write(tmp_path, "\n".join(rows), "corpus.jsonl")) == corpus


@FEW
@given(CORPUS)
def test_parquet_reads_back_as_written(tmp_path, corpus):
    path = write_parquet(tmp_path, ["\n".join(each) for each in corpus])
    assert texts(path) == corpus


@FEW
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=6), st.integers(0, 3))
def test_lines_are_whole_wherever_blocks_end(tmp_path, lengths, shift):
    lines = ["é" * (length * BLOCK_BYTES // 4000 // 2 + shift + 1) for length in lengths]
    assert texts(write(tmp_path, "\n".join(lines))) == [lines]


@FEW
@given(st.binary(max_size=200), st.sampled_from([".txt", ".jsonl", ".parquet", ".gz", "", ".zst"]))
@example(b"\0", "")
@example(b"[" * 100_000, ".jsonl")
@example(b'{"text":' * 20_000, ".jsonl")
def test_any_bytes_are_read_or_refused(tmp_path, data, suffix):
    path, found = write(tmp_path, data, "corpus" + suffix), []
    with suppress(DataError):
        found = [None]
        found = texts(path)
    assert found


# Faults.


FAULTS = [
    (".txt", b"caf\xe9", "not UTF-8", "byte 0xe9 at byte 4"),
    (".txt", b"\xed\xa0\x80", "not UTF-8", "byte 0xed"),
    (".txt", b"a\0b", "NUL", "NUL"),
    (".txt", b"x" * 1025, "too long", "over 1,024 bytes"),
    (".jsonl", b'{"text": "a"', "not JSON", "not JSON"),
    (".jsonl", b"[" * 1000, "not JSON", "not JSON"),
    (".jsonl", b'{"text": "a", "x": NaN}', "not JSON", "NaN is no JSON value"),
    (".jsonl", b'{"text": "a", "text": "b"}', "not JSON", "twice"),
    (".jsonl", b'{"text": 1' + b"0" * 900 + b"e}", "not JSON", "not JSON"),
    (".jsonl", b'["a"]', "not an object", "list"),
    (".jsonl", b'{"body": "a", "id": 1}', "no text", "no field 'text'; there are: 'body', 'id'"),
    (".jsonl", b'{"text": null}', "no text", "null"),
    (".jsonl", b'{"text": 5}', "not a string", "int"),
    (".jsonl", b'{"text": "a\\u0000b"}', "NUL", "NUL"),
    (".jsonl", b'{"text": "\\ud800"}', "lone surrogate", "surrogate"),
    (".jsonl", b'{"text": "' + b"x" * 1025 + b'"}', "too long", "over 1,024 bytes"),
]


@pytest.mark.parametrize(("suffix", "line", "kind", "reason"), FAULTS)
def test_a_faulty_line_is_dropped_counted_and_written_down(tmp_path, suffix, line, kind, reason):
    good = b"good" if suffix == ".txt" else b'{"text": "good"}'
    path = write(tmp_path, good + b"\n" + line + b"\n" + good + b"\n", "corpus" + suffix)
    report, rejects = ReadReport(), tmp_path / "rejects"
    found = texts(path, max_line_bytes=1024, report=report, rejects=rejects)
    assert [text for paragraphs in found for text in paragraphs] == ["good", "good"]
    assert report.problems == {kind: 1}
    assert report.places == [f"{path}:2 {kind}"]
    row = json.loads(rejects.read_text(encoding="utf-8"))
    assert (row["path"], row["line"], row["kind"]) == (str(path), 2, kind)
    assert reason in row["reason"]


@pytest.mark.parametrize(("suffix", "line", "kind", "reason"), FAULTS)
def test_strict_reading_refuses_a_faulty_line(tmp_path, suffix, line, kind, reason):
    good = b"good\n" if suffix == ".txt" else b'{"text": "good"}\n'
    path = write(tmp_path, good + line, "corpus" + suffix)
    with pytest.raises(DataError) as caught:
        texts(path, max_line_bytes=1024, strict=True)
    assert f"{path}:2: " in str(caught.value)
    assert reason in str(caught.value)
    assert caught.value.exit_code == 3


def test_no_file_of_rejects_is_made_without_a_fault(tmp_path):
    texts(write(tmp_path, "a\n"), rejects=tmp_path / "rejects")
    assert not (tmp_path / "rejects").exists()


def test_twenty_faults_are_always_allowed_and_one_more_is_not(tmp_path):
    report = ReadReport()
    assert texts(write(tmp_path, b"a\n" + b"\xff\n" * 20), report=report) == [["a"]]
    assert report.problems.total() == 20
    with pytest.raises(DataError, match="21 of 22 lines cannot be used") as caught:
        texts(write(tmp_path, b"a\n" + b"\xff\n" * 21))
    assert str(caught.value).count("corpus.txt:") == 20


def test_a_large_corpus_may_have_a_thousandth_of_faults(tmp_path):
    texts(write(tmp_path, GOOD + b"\xff\n" * 30))
    with pytest.raises(DataError, match="31 of 30,031"):
        texts(write(tmp_path, GOOD + b"\xff\n" * 31))
    texts(write(tmp_path, GOOD + b"\xff\n" * 31), max_reject_rate=0.01)


def test_strict_reading_lists_twenty_faults_and_stops(tmp_path):
    with pytest.raises(DataError) as caught:
        texts(write(tmp_path, b"a\n" + b"\xff\n" * 100), strict=True)
    assert str(caught.value).count("corpus.txt:") == 20
    assert "corpus.txt:21: " in str(caught.value)
    assert "Repair them" in str(caught.value)


def test_empty_documents_are_told_but_do_not_count_as_dropped(tmp_path):
    rows = [{"text": "a"}, *[{"text": " \n "}] * 50]
    write(tmp_path, jsonl(*rows), "1.jsonl")
    write(tmp_path, "", "2.txt")
    write(tmp_path, "\n \n", "3.txt")
    report = ReadReport()
    assert texts(tmp_path, report=report) == [["a"]]
    assert report.problems == {"empty document": 52}
    assert report.places[0] == f"{tmp_path}/1.jsonl:2 empty document"
    with pytest.raises(DataError, match=r"1.jsonl:2: a document without text"):
        texts(tmp_path, strict=True)


def test_an_overlong_line_is_dropped_without_harm_to_its_neighbors(tmp_path):
    path = write(tmp_path, b"a\n" + b"x" * 3_000_000 + b"\nb\n" + b"y" * 3_000_000)
    report = ReadReport()
    assert texts(path, report=report) == [["a", "b"]]
    assert report.places == [f"{path}:2 too long", f"{path}:4 too long"]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_longest_line_allowed_is_read(tmp_path, end):
    for size in (BLOCK_BYTES - 1, BLOCK_BYTES, 3 * BLOCK_BYTES):
        line = b"x" * size
        assert texts(write(tmp_path, line + end), max_line_bytes=size) == [[line.decode()]]
        with pytest.raises(DataError, match="no text"):
            texts(write(tmp_path, line + b"x" + end), max_line_bytes=size)


def test_a_long_document_is_given_in_parts_even_to_a_strict_reader(tmp_path):
    report = ReadReport()
    found = texts(write(tmp_path, "12345\n" * 5), max_document_bytes=9, strict=True, report=report)
    assert found == [["12345", "12345"], ["12345", "12345"], ["12345"]]
    assert report.problems == {"long document given in parts": 2}


def test_the_report_speaks_to_people_and_to_programs(tmp_path):
    report = ReadReport()
    texts(write(tmp_path, b"one\ntwo\n\n\xff\nthree\n"), report=report)
    assert str(report).startswith("Read 2 documents, 3 paragraphs, 11 characters.")
    assert "corpus.txt:4 not UTF-8" in str(report)
    known = json.loads(json.dumps(report.to_dict()))
    assert (known["documents"], known["lines"], known["problems"]) == (2, 4, {"not UTF-8": 1})


@pytest.mark.parametrize(
    "bad", [{"max_line_bytes": 0}, {"max_reject_rate": 2.0}, {"max_document_bytes": -1}]
)
def test_impossible_options_are_refused(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        ReadOptions(**bad)


# Parquet.


def write_parquet(folder, values, name="corpus.parquet", column="text", **how):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / name
    pq.write_table(pa.table({column: values, "id": list(range(len(values)))}), path, **how)
    return path


def test_a_null_in_parquet_is_a_fault_with_its_row(tmp_path):
    path, report = write_parquet(tmp_path, ["a", None, "b\nc"]), ReadReport()
    assert texts(path, report=report) == [["a"], ["b", "c"]]
    assert report.places == [f"{path}:2 no text"]


def test_bytes_that_are_not_utf8_in_parquet_are_a_fault_with_their_row(tmp_path):
    import pyarrow as pa

    texts_as_bytes = pa.array([b"a", b"caf\xe9", b"b"]).view(pa.string())
    path, report = write_parquet(tmp_path, texts_as_bytes), ReadReport()
    assert texts(path, report=report) == [["a"], ["b"]]
    assert report.places == [f"{path}:2 not UTF-8"]


def test_parquet_without_the_column_names_those_it_has(tmp_path):
    path = write_parquet(tmp_path, ["a"], column="texts")
    with pytest.raises(DataError, match=r"no column 'text'; there are: 'texts', 'id'.*'texts'\?"):
        texts(path)
    assert texts(path, text_column="texts") == [["a"]]
    with pytest.raises(DataError, match=r"'id' holds int64, not strings"):
        texts(path, text_column="id")


def test_cut_parquet_is_refused(tmp_path):
    data = write_parquet(tmp_path, [f"row {i}" for i in range(1000)]).read_bytes()
    for size in range(0, len(data), len(data) // 50):
        with pytest.raises(DataError, match=r"cut.parquet: not a whole Parquet file"):
            texts(write(tmp_path, data[:size], "cut.parquet"))


def test_parquet_of_many_row_groups_and_columns_of_categories_reads_whole(tmp_path):
    import pyarrow as pa

    values = [f"row {i % 7}" for i in range(10_000)]
    groups = write_parquet(tmp_path, values, row_group_size=100)
    coded = write_parquet(tmp_path, pa.array(values).dictionary_encode(), "coded.parquet")
    assert texts(groups) == texts(coded) == [[value] for value in values]


# Sources.


def test_folders_are_read_sorted_to_any_depth_without_hidden_files(tmp_path):
    for name in ("b.txt", "a/z.txt", "a/b/c.txt", ".hidden.txt", ".git/x.txt", "A.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path, name, name)
    names = ["A.txt", "a/b/c.txt", "a/z.txt", "b.txt"]
    assert texts(tmp_path) == [[name] for name in names]
    assert texts(f"{tmp_path}/**/*.txt") == [[name] for name in names]
    assert texts(f"{tmp_path}/[ab]*") == [[name] for name in names[1:]]


def test_a_file_of_unknown_kind_in_a_folder_is_read_as_text_and_told(tmp_path):
    write(tmp_path, "a\tb\n", "table.tsv")
    write(tmp_path, "c\n", "text.txt")
    report = ReadReport()
    assert texts(tmp_path, report=report, strict=True) == [["a b"], ["c"]]
    assert report.places == [f"{tmp_path}/table.tsv:1 unknown suffix, read as plain text"]
    report = ReadReport()
    texts(tmp_path / "table.tsv", report=report)
    assert not report.problems


def test_a_name_with_glob_characters_is_a_name_first(tmp_path):
    write(tmp_path, "a", "b[1].txt")
    assert texts(tmp_path / "b[1].txt") == [["a"]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.txt", "absent.txt: no such file or folder"),
        ("*.none", r"\*.none: no file matches"),
        ("empty", "empty: holds no files"),
        ("corpus.txt/x", "cannot be read"),
        ("a\0b", "cannot be read"),
        ("x" * 5000, "cannot be read"),
    ],
)
def test_what_is_not_there_is_named_at_once(tmp_path, name, message):
    write(tmp_path, "a\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        read_documents([f"{tmp_path}/{name}"])


@pytest.mark.parametrize("inputs", [[], ["-", "-"], ["hf:"]])
def test_no_corpus_or_standard_input_twice_is_refused(inputs):
    with pytest.raises(ConfigError, match=r"No corpus|named twice|names no data set"):
        read_documents(inputs)


@pytest.mark.parametrize("content", ["", "\n\n \n", "\ufeff"])
def test_a_corpus_without_text_is_refused(tmp_path, content):
    with pytest.raises(DataError, match=r"holds no text.*\n.*corpus.txt:1"):
        texts(write(tmp_path, content))


def test_devices_are_refused_and_pipes_are_read(tmp_path):
    with pytest.raises(DataError, match="/dev/zero: a device"):
        texts("/dev/zero")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with filled(pipe):
        assert texts(pipe) == [["a"], ["b"]]
    pipe = pipe.rename(tmp_path / "pipe.parquet")
    with filled(pipe), pytest.raises(DataError, match="plain file only"):
        texts(pipe)


@contextmanager
def filled(pipe):
    def fill():
        with suppress(BrokenPipeError):
            pipe.write_bytes(b"a\n\nb\n")

    writer = threading.Thread(target=fill)
    writer.start()
    yield
    writer.join()


def test_a_folder_with_links_in_a_ring_is_read_once(tmp_path, capsys):
    write(tmp_path, "a")
    (tmp_path / "ring").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to(tmp_path / "absent")
    assert texts(tmp_path) == [["a"]]
    said = capsys.readouterr().err
    assert "2 links to folders or to nothing" in said
    assert f"such as {tmp_path / 'broken'}" in said


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.bin", b"abc\0def", "NUL bytes near its beginning"),
        ("a.txt", gzip.compress(b"a"), "gzip: name it .gz"),
        ("a.txt", b"PAR1....", "Parquet: name it .parquet"),
        ("a.doc", b"PK\x03\x04", "ZIP archive"),
        ("a.txt", "hello".encode("utf-16"), "UTF-16: save it as UTF-8"),
        ("a.json", b'[\n{"text": "a"},\n{"text": "b"}\n]\n', "JSON array over several lines"),
        ("a.parquet.gz", gzip.compress(b"PAR1"), "plain file only"),
    ],
)
def test_what_is_no_text_is_refused_with_what_it_is(tmp_path, name, data, message):
    with pytest.raises(DataError, match=message):
        texts(write(tmp_path, data, name))


class Stdin:
    def __init__(self, data):
        self.buffer = io.BytesIO(data)


@pytest.mark.parametrize("data", [b"a\n\nb\n", b'{"text": "a"}\n{"text": "b"}\n'])
def test_standard_input_is_plain_text_or_json_lines(monkeypatch, data):
    monkeypatch.setattr("sys.stdin", Stdin(data))
    assert texts("-") == [["a"], ["b"]]


def test_standard_input_can_be_kept_for_a_second_reading(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.stdin", Stdin(b"b\n"))
    path = write(tmp_path, "a")
    with readable_twice([path, "-"]) as inputs:
        assert texts(*inputs) == texts(*inputs) == [["a"], ["b"]]
    assert not inputs[1].exists()


def test_a_hub_data_set_is_streamed_through_the_library(tmp_path):
    pytest.importorskip("datasets")
    write(tmp_path, jsonl({"text": "a\nb"}, {"text": None}, {"text": "c"}), "train.jsonl")
    assert texts(f"hf:{tmp_path}") == [["a", "b"], ["c"]]
    with pytest.raises(DataError, match="no column 'body'; there are: 'text'"):
        texts(f"hf:{tmp_path}", text_column="body")
    with pytest.raises(DataError, match=r"hf:.*none: cannot be read"):
        texts(f"hf:{tmp_path}/none")


def test_without_the_extra_a_hub_names_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'gloze\[hub\]'"):
        texts("hf:some/thing")
