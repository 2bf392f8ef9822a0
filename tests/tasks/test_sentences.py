"""Files of tagged sentences: columns, CoNLL-U, segmented text and tables, and what is refused."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gloze.core.errors import ConfigError, DataError
from gloze.tasks.schemes import breaches, detect
from gloze.tasks.sentences import as_sentences, find_reader, layout_of, word_tags

CONLL = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O

Peter NNP I-NP I-PER


-DOCSTART- -X- O O

London NNP I-NP I-LOC
"""
CONLLU = """# newdoc id = a
# text = I don't
1\tI\tI\tPRON\tPRP\t_\t4\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t_\t_
3.1\tgo\tgo\tVERB\tVB\t_\t_\t_\t_\t_

# newdoc id = b
1\t#\t#\tSYM\tNFP\t_\t0\troot\t_\t_
"""


def write(folder, text, name="data.conll"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def read(path, format=None, columns=None, **options):
    return list(find_reader(format, columns).read(path, **options))


def test_columns_are_read_with_documents_and_lines(tmp_path):
    found = read(write(tmp_path, CONLL))
    assert [s.words for s in found] == [("EU", "rejects"), ("Peter",), ("London",)]
    assert [s.tags for s in found] == [("I-ORG", "O"), ("I-PER",), ("I-LOC",)]
    assert [s.document for s in found] == [0, 0, 1]
    assert [s.line for s in found] == [3, 6, 11]
    assert found[0].line_of(1) == 4


def test_a_mark_of_a_document_ends_the_sentence_before_it(tmp_path):
    found = read(write(tmp_path, "a X\nb Y\n-DOCSTART- O\nc X\n-DOCSTART- O\n\nd Y\n"))
    assert [(s.words, s.document) for s in found] == [(("a", "b"), None), (("c",), 0), (("d",), 1)]


def test_blocks_hold_every_line_of_the_file(tmp_path):
    text = "\n-DOCSTART- O\n\na X\n\n\nb Y\n\n-DOCSTART- O\n \n"
    found = read(write(tmp_path, text), keep_rows=True)
    assert [line for s in found for line in s.block.lines] == text.split("\n")[:-1]
    segmented = "\n\u3000\na bc\n\n\nd\n\n"
    found = read(write(tmp_path, segmented), "cws", keep_rows=True)
    assert [line for s in found for line in s.block.lines] == segmented.split("\n")[:-1]


@pytest.mark.parametrize("separator", ["\t", " ", "  ", " \t "])
@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "\n \t\n"])
def test_columns_are_parted_by_tabs_or_spaces(tmp_path, separator, end):
    text = "\n".join(separator.join(row) for row in (("a", "X"), ("b", "Y"))) + end
    if separator == " \t ":
        text = text.replace(separator, " ").replace("a ", "a\t", 1).replace("b ", "b\t", 1)
    (found,) = read(write(tmp_path, text))
    assert (found.words, found.tags) == (("a", "b"), ("X", "Y"))


def test_with_tabs_a_word_may_hold_spaces(tmp_path):
    (found,) = read(write(tmp_path, "New York\tB-LOC\n\u3000\tO\n"))
    assert found.words == ("New York", "\u3000")


@pytest.mark.parametrize(
    ("columns", "tags"),
    [("tag=1", ("NNP", "VBZ")), ("tag=-2", ("I-NP", "I-VP")), ({"tag": "3"}, ("I-ORG", "O"))],
)
def test_any_column_by_its_number(tmp_path, columns, tags):
    assert read(write(tmp_path, CONLL), columns=columns)[0].tags == tags


def test_words_from_another_column(tmp_path):
    found = read(write(tmp_path, "1 the DT\n2 cat NN\n"), columns="word=1,tag=2")
    assert found[0].words == ("the", "cat")


def test_conllu_leaves_out_what_is_no_word(tmp_path):
    found = read(write(tmp_path, CONLLU, "data.conllu"))
    assert [s.words for s in found] == [("I", "do", "n't"), ("#",)]
    assert found[0].tags == ("PRON", "AUX", "PART")
    assert [s.document for s in found] == [0, 1]
    assert [found[0].line_of(i) for i in range(3)] == [3, 5, 6]


@pytest.mark.parametrize("column", ["xpos", "XPOS", "4", "-6"])
def test_conllu_columns_by_name_or_number(tmp_path, column):
    path = write(tmp_path, CONLLU, "data.conllu")
    assert read(path, columns=f"tag={column}")[0].tags == ("PRP", "VBP", "RB")


def test_conllu_plus_names_its_columns(tmp_path):
    text = "# global.columns = ID FORM PARSEME:NE\n1\ta\tO\n2\tb\tB-X\n"
    (found,) = read(write(tmp_path, text, "a.conllup"), columns="tag=parseme:ne")
    assert found.tags == ("O", "B-X")


@pytest.mark.parametrize("word", ["#", "1-2", "1.1"])
def test_any_text_is_a_word_where_lines_begin_with_words(tmp_path, word):
    text = f"# global.columns = FORM UPOS\n# text = a # b\na\tX\n{word}\tSYM\nb\tY\n"
    (found,) = read(write(tmp_path, text, "a.conllup"))
    assert (found.words, found.tags) == (("a", word, "b"), ("X", "SYM", "Y"))


def test_segmented_text_is_characters_with_tags(tmp_path):
    path = write(tmp_path, "在  这个  激动人心  的\n\n时刻\n", "train.utf8")
    found = read(path, "cws")
    assert found[0].words == tuple("在这个激动人心的")
    assert "".join(found[0].tags) == "SBEBIIES"
    assert found[1].words == ("时", "刻")
    assert [s.line for s in found] == [1, 3]
    assert all(s.is_segmented for s in found)


@pytest.mark.parametrize(("word", "tags"), [("a", "S"), ("ab", "BE"), ("abcd", "BIIE")])
def test_tags_of_a_words_characters(word, tags):
    assert word_tags(word) == tags


def test_tables_hold_lists(tmp_path):
    rows = [
        {"words": ["a", "b"], "tags": ["X", "Y"], "document": "one"},
        {"words": "c d", "tags": "X X", "document": "two"},
    ]
    path = write(tmp_path, "\n".join(map(json.dumps, rows)), "data.jsonl")
    found = read(path)
    assert [(s.words, s.tags) for s in found] == [
        (("a", "b"), ("X", "Y")),
        (("c", "d"), ("X", "X")),
    ]
    assert [s.document for s in found] == [0, 1]
    # As answers are written to CSV; a bracket among words is a word.
    csv = 'words,tags\n"[""a"", ""b c""]","[""X"", ""Y""]"\n[ d,X Y\n[1],X\n'
    assert [(s.words, s.tags) for s in read(write(tmp_path, csv, "data.csv"))] == [
        (("a", "b c"), ("X", "Y")),
        (("[", "d"), ("X", "Y")),
        (("[1]",), ("X",)),
    ]
    pq.write_table(pa.table({"tokens": [["a"]], "ner": [["O"]]}), tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet", columns="word=tokens,tag=ner")
    assert (found[0].words, found[0].tags, found[0].document) == (("a",), ("O",), None)


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("eng.train.gz", "conll"),
        ("a.bio", "conll"),
        ("a.tsv", "conll"),
        ("a", "conll"),
        ("a.conllu.gz", "conllu"),
        ("a.jsonl.xz", "jsonl"),
        ("a.parquet", "parquet"),
    ],
)
def test_the_name_tells_the_layout(tmp_path, name, layout):
    assert layout_of(tmp_path / name) == layout


def test_tags_are_not_looked_at_where_none_are_needed(tmp_path):
    assert read(write(tmp_path, "the\ncat\n"), needs_labels=False)[0].tags is None
    assert read(write(tmp_path, CONLL), needs_labels=False)[0].tags is None
    row = {"words": ["a"], "tags": [1, 2]}
    path = write(tmp_path, json.dumps(row), "a.jsonl")
    assert read(path, needs_labels=False)[0].tags is None


def test_what_is_needed_to_write_a_sentence_is_kept_where_asked(tmp_path):
    path = write(tmp_path, CONLL)
    first, second, third = read(path, keep_rows=True)
    lines = [line for s in (first, second, third) for line in s.block.lines]
    assert lines == CONLL.rstrip("\n").split("\n")
    assert first.row == {"words": ["EU", "rejects"], "tags": ["I-ORG", "O"]}
    assert read(path)[0].block is None


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("a X\nb\n", None, r":2: 1 columns parted by spaces, and 2 are expected\. Every word"),
        ("a\tX\nb Y\n", None, r":2: 1 columns parted by tabs, and 2 are expected"),
        ("a X\n\nb X Y\n", None, r":3: 3 columns parted by spaces, and 2 are expected"),
        ("a\nb\n", None, r":1: there is no column of tags: the lines have 1.*--columns tag=NUMBER"),
        ("a X\n", "tag=2", r":1: there is no column of tags: the lines have 2"),
        ("a X\n", "word=5", r":1: there is no column of words"),
        ("a X\n", "tag=ner", r":1 column 'ner': no such column.*count them from 0"),
        ("a\t\n", None, r":1:1: the tag is empty"),
        ("\tO\na\tO\n", None, r":1:0: the word is empty"),
        ("", None, r"not a single sentence"),
        ("-DOCSTART- O\n\n", None, r"not a single sentence"),
        ("a X\nb\0 Y\n", None, r":2: a NUL character"),
    ],
)
def test_broken_columns_are_refused_with_their_place(tmp_path, text, columns, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, text), columns=columns)


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (CONLLU.replace("2-3", "two"), None, r":4 column 'id': 'two' is no number of a word"),
        (CONLLU.replace("\troot", ""), None, r":10: 9 columns .* 10 are expected"),
        (CONLLU, "tag=pos", r"no such column\. Did you mean '.?pos'"),
        (CONLLU.replace("\n\n", "\n"), None, r":9 column 'id': word 1 in the middle of a sentence"),
        ("# global.columns =\n" + CONLLU, None, r":1: no column is named"),
    ],
)
def test_broken_conllu_is_refused_with_its_place(tmp_path, text, columns, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, text, "a.conllu"), columns=columns)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"words": ["a"], "tags": ["X", "Y"]}, r":1 column 'tags': 1 words and 2 tags"),
        ({"words": [], "tags": []}, r":1 column 'words': a sentence without words"),
        ({"words": ["a"], "tags": [3]}, r"column 'tags': a list of texts is expected, found \[3\]"),
        ({"words": ["a", ""], "tags": ["X", "X"]}, r"column 'words': a list of texts is expected"),
        ({"words": 7, "tags": ["X"]}, r"column 'words': a list of texts is expected, found 7"),
        ({"tokens": ["a"], "tags": ["X"]}, r"column 'words': no such column.*tokens, tags"),
        ({"words": ["a"]}, r"column 'tags': no such column"),
    ],
)
def test_broken_tables_are_refused_with_their_place(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, json.dumps(row), "a.jsonl"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.conll: no such file"):
        read(tmp_path / "none.conll")
    with pytest.raises(DataError, match="is a folder, not a file"):
        read(tmp_path)


@pytest.mark.parametrize(("format", "text"), [(None, CONLL), ("conll", CONLL), ("conllu", CONLLU)])
def test_columns_are_read_from_pipe(tmp_path, pipe, format, text):
    expected = read(write(tmp_path, text), format)
    pipe(text.encode())
    assert read(Path("-"), format) == expected


@pytest.mark.parametrize(
    ("format", "columns", "message"),
    [
        ("conlu", None, r"Unknown format 'conlu'\. Did you mean 'conllu'"),
        (None, "tags=3", r"unknown role 'tags'\. Did you mean 'tag'"),
        ("cws", "tag=1", r"segmented text \(cws\) has no columns"),
    ],
)
def test_unknown_layouts_and_roles_are_refused(format, columns, message):
    with pytest.raises(ConfigError, match=message):
        find_reader(format, columns)


def test_a_line_of_a_million_characters_is_read_and_one_over_a_mebibyte_refused(tmp_path):
    (found,) = read(write(tmp_path, "ab " * 333_333 + "a", "a.txt"), "cws")
    assert len(found.words) == 666_667
    with pytest.raises(DataError, match=r":1: over 1,048,576 bytes"):
        read(write(tmp_path, "的 " * 500_000, "b.txt"), "cws")
    (found,) = read(write(tmp_path, "word O\n" * 200_000))
    assert len(found.words) == 200_000


def test_sentences_from_python():
    words, text, empty = as_sentences([["New York", "!"], "a  b ", ""])
    assert (words.words, words.text) == (("New York", "!"), None)
    assert (text.words, text.text) == (("a", "b"), "a  b ")
    assert empty.words == ()
    for wrong in ("a text", [3], [["a", 1]]):
        with pytest.raises(ConfigError, match="predict takes"):
            as_sentences(wrong)


@pytest.mark.parametrize(
    ("file", "format", "sentences", "words", "scheme", "broken"),
    [
        ("conll2003/eng.testb.gz", None, 3453, 46435, "iob1", 0),
        ("conll2000/test.txt.gz", None, 2012, 47377, "iob2", 0),
        ("wnut17/wnut17train.conll.gz", None, 3394, 62730, "iob2", 0),
        ("wnut17/emerging.test.annotated", None, 1287, 23394, "iob2", 0),
        ("msra-ner/msra.dev.bio", None, 1000, 42289, "iob2", 0),
        ("ud-english-ewt/en-ewt-ud-dev.conllu.gz", "conllu", 2001, 25147, "none", 0),
        ("sighan2005-cws/msr.test.utf8", "cws", 797, None, "bioes", 0),
    ],
)
def test_published_files_read_as_they_are(
    shared_data, file, format, sentences, words, scheme, broken
):
    found = read(shared_data / file, format)
    tags = [s.tags for s in found]
    assert len(found) == sentences
    if words is not None:
        assert sum(len(s.words) for s in found) == words
    assert detect(tags) == scheme
    assert len(breaches(tags, scheme)) == broken


def test_a_breach_in_a_published_file_is_found_at_its_line(shared_data):
    found = read(shared_data / "msra-ner/msra.train.bio.gz")
    (breach,) = breaches([s.tags for s in found], "iob2")
    assert breach.reason == "I-PER begins a sentence"
    with gzip.open(shared_data / "msra-ner/msra.train.bio.gz", "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")
    assert lines[found[breach.sentence].line_of(breach.word) - 1].endswith("\tI-PER")


def test_the_entities_of_conll_2003_are_as_many_as_published(shared_data):
    from gloze.metrics.chunks import count_chunks

    tags = [s.tags for s in read(shared_data / "conll2003/eng.train.gz")]
    counts = {kind: found.gold for kind, found in count_chunks(tags, tags).items()}
    # Tjong Kim Sang and De Meulder 2003, table 2.
    assert counts == {"LOC": 7140, "MISC": 3438, "ORG": 6321, "PER": 6600}
