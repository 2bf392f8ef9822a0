"""Examples are found under plain names, a person's own, or GLUE's."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gloze.core.errors import ConfigError, DataError
from gloze.tasks.examples import read_examples
from gloze.tasks.formats import find_format, parse_columns


def write(folder, content, name="data.tsv"):
    path = folder / name
    path.write_bytes(content.encode())
    return path


def test_single_texts_and_pairs_are_told_by_their_columns(tmp_path):
    single = read_examples(write(tmp_path, "id\ttext\tlabel\n7\ta b\tgood\n"))[0]
    assert (single.text_a, single.text_b, single.label, single.line) == ("a b", None, "good", 2)
    pair = read_examples(write(tmp_path, "text_a\ttext_b\tlabel\na\tb\t1\n"))[0]
    assert (pair.text_a, pair.text_b, pair.label) == ("a", "b", "1")


def test_rows_are_kept_only_when_asked_for(tmp_path):
    path = write(tmp_path, "id\ttext\tlabel\n7\ta b\tgood\n")
    assert read_examples(path)[0].row is None
    assert read_examples(path, keep_rows=True)[0].row == {"id": "7", "text": "a b", "label": "good"}


def test_own_names_are_put_in_by_columns(tmp_path):
    path = write(tmp_path, "gold\tsentence\treply\n1\ta\tb\n")
    layout = find_format(None, "text_a=sentence,text_b=reply,label=gold")
    example = read_examples(path, layout)[0]
    assert (example.text_a, example.text_b, example.label) == ("a", "b", "1")


def test_whole_numbers_and_booleans_are_labels(tmp_path):
    path = write(tmp_path, '{"text":"a","label":1}\n{"text":"b","label":true}\n', "a.jsonl")
    assert [example.label for example in read_examples(path)] == ["1", "true"]
    pq.write_table(pa.table({"text": ["a"], "label": [0]}), tmp_path / "a.parquet")
    assert read_examples(tmp_path / "a.parquet")[0].label == "0"


def test_a_file_without_labels_is_fine_for_prediction_only(tmp_path):
    path = write(tmp_path, "text\na\n")
    assert read_examples(path, needs_labels=False)[0].label is None
    with pytest.raises(DataError, match=r"'label': no such column\. Columns found: text\."):
        read_examples(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("txt\tlabel\na\t1\n", r"data\.tsv:1 column 'text': .*Did you mean 'txt'\?.*txt, label"),
        ("text\tlabel\n", "a header and no rows"),
        ("text\tlabel\n \t1\n", r"data\.tsv:2 column 'text': the text is empty"),
        ("text\tlabel\na\t1\nb\t\n", r"data\.tsv:3 column 'label': no label"),
        ("text\tlabel\na\t1\nb\t \n", r"data\.tsv:3 column 'label': no label"),
        ("text\tlabel\na\t1\nb\t1 \n", r"data\.tsv:3 column 'label': a label has spaces around"),
        ("text_a\tlabel\ttext_b\na\t1\t\n", r":2 column 'text_b': the text is empty"),
    ],
)
def test_what_is_missing_is_named(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read_examples(write(tmp_path, content))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": 5, "label": 1}, "column 'text': a text is expected, found int 5"),
        ({"text": None, "label": 1}, "column 'text': a text is expected, found nothing"),
        ({"text": "a", "label": 0.5}, "column 'label': a label is a text or a whole number"),
        ({"text": "\ud800", "label": 1}, "a lone surrogate"),
    ],
)
def test_json_of_the_wrong_type_is_refused(tmp_path, row, message):
    path = write(tmp_path, json.dumps(row) + "\n", "data.jsonl")
    with pytest.raises(DataError, match=message):
        read_examples(path)


def test_unknown_formats_and_roles_name_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'mrpc'"):
        find_format("mprc")
    with pytest.raises(ConfigError, match="Did you mean 'text_a'"):
        find_format(None, "texta=x")
    with pytest.raises(ConfigError, match="not role=column"):
        parse_columns("text_a:x")
    with pytest.raises(ConfigError, match="the same"):
        find_format(None, {"text": "a", "text_a": "b"})


def test_cola_is_read_with_and_without_a_header(tmp_path):
    bare = write(tmp_path, "gj04\t1\t\tThe ball rolled.\ngj04\t0\t*\tBall the.\n")
    found = read_examples(bare, find_format("cola"))
    assert [(e.text_a, e.label, e.line) for e in found] == [
        ("The ball rolled.", "1", 1),
        ("Ball the.", "0", 2),
    ]
    test = write(tmp_path, "index\tsentence\n0\tBill whistled.\n")
    assert read_examples(test, find_format("cola"), needs_labels=False)[0].label is None


def test_a_few_rows_cut_in_two_are_left_out_and_counted(tmp_path, capsys):
    good = "".join(f"{i}\t1\t2\tq {i}\tr {i}\t0\n" for i in range(3000))
    head = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    path = write(tmp_path, head + "9\t1\t2\tcut\n" + good)
    assert len(read_examples(path, find_format("qqp"))) == 3000
    assert "1 broken rows left out of 3001" in capsys.readouterr().err
    many = write(tmp_path, head + "9\t1\t2\tcut\n" * 4 + good)
    with pytest.raises(DataError, match="too few fields"):
        read_examples(many, find_format("qqp"))


def test_a_row_cut_in_two_is_refused_where_every_row_is_to_be_answered(tmp_path):
    good = "".join(f"{i}\tq {i}\tr {i}\n" for i in range(3000))
    path = write(tmp_path, "id\tquestion1\tquestion2\n9\tcut\n" + good)
    with pytest.raises(DataError, match="too few fields"):
        read_examples(path, find_format("qqp"), needs_labels=False)


@pytest.mark.parametrize(
    ("name", "file", "count", "labels"),
    [
        ("cola", "cola/train.tsv.gz", 8551, {"0", "1"}),
        ("cola", "cola/dev.tsv", 1043, {"0", "1"}),
        ("cola", "cola/test.tsv", 1063, {None}),
        ("sst2", "sst-2/train.tsv.gz", 67349, {"0", "1"}),
        ("sst2", "sst-2/test.tsv", 1821, {None}),
        ("mrpc", "mrpc/train.tsv.gz", 3667, {"0", "1"}),
        ("mrpc", "mrpc/msr-paraphrase-test.txt.gz", 1725, {"0", "1"}),
        ("mrpc", "mrpc/test.tsv.gz", 1725, {None}),
        ("rte", "rte/train.tsv.gz", 2490, {"entailment", "not_entailment"}),
        ("wnli", "wnli/train.tsv", 635, {"0", "1"}),
        ("qnli", "qnli/train.tsv.gz", 4463, {"entailment", "not_entailment"}),
        ("mnli", "mnli-sample/matched.tsv", 1000, {"contradiction", "entailment", "neutral"}),
    ],
)
def test_the_files_of_glue_are_read_as_they_are(shared_data, name, file, count, labels):
    examples = read_examples(shared_data / file, find_format(name), needs_labels=None not in labels)
    assert len(examples) == count
    assert {example.label for example in examples} == labels
    assert all(example.text_a == example.text_a.removeprefix("\ufeff") for example in examples)


def test_compressed_and_plain_give_the_same(tmp_path):
    path = write(tmp_path, "text\tlabel\na\t1\n")
    (tmp_path / "b.tsv.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read_examples(path) == read_examples(tmp_path / "b.tsv.gz")


def test_columns_by_number_are_those_of_a_file_without_a_header(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("a text\tanother\tyes\nthe text\tthe other\tno\n", encoding="utf-8")
    layout = find_format(None, "text_a=0,text_b=1,label=2")
    found = read_examples(path, layout)
    assert [(e.text_a, e.text_b, e.label, e.line) for e in found] == [
        ("a text", "another", "yes", 1),
        ("the text", "the other", "no", 2),
    ]
    with pytest.raises(DataError, match=r"column '3': no such column.*Columns found: 0, 1, 2"):
        read_examples(path, find_format(None, "text=0,label=3"))
