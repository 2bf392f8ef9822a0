"""The standard library's documentation as a corpus and as labelled examples."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from gloze.core.errors import DataError
from gloze.text.library_areas import AREAS, area_of
from gloze.text.library_docs import MIN_WORDS, NUM_TRAIN, SPLITS, clean_docstring, read_library_docs


@pytest.fixture(scope="module")
def docs():
    return read_library_docs()


def test_there_is_enough_text_of_many_modules(docs):
    assert docs.num_characters > 800_000
    assert len(docs.documents) > 250
    assert all(document.paragraphs for document in docs.documents)
    assert len({document.name for document in docs.documents}) == len(docs.documents)


def test_every_area_is_in_every_split_in_about_the_same_share(docs):
    shares = {}
    for split, rows in docs.splits.items():
        counts = Counter(row.label for row in rows)
        assert set(counts) == set(AREAS)
        shares[split] = {area: counts[area] / len(rows) for area in AREAS}
    for area in AREAS:
        assert shares["dev"][area] == pytest.approx(shares["test"][area], rel=0.2, abs=0.01)
        assert shares["train"][area] == pytest.approx(shares["test"][area], rel=0.4, abs=0.02)


def test_labels_are_few_and_the_text_around_them_is_not(docs):
    assert len(docs.splits["train"]) == NUM_TRAIN
    labeled = sum(len(row.text) for row in docs.splits["train"])
    assert docs.num_characters > 5 * labeled


def test_no_module_and_no_text_is_in_two_splits(docs):
    modules = {split: {row.module for row in docs.splits[split]} for split in SPLITS}
    texts = {split: {row.text for row in docs.splits[split]} for split in SPLITS}
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert modules[one].isdisjoint(modules[other])
        assert texts[one].isdisjoint(texts[other])


def test_no_text_is_there_twice_and_all_are_long_enough(docs):
    rows = [row for split in SPLITS for row in docs.splits[split]]
    assert len({row.text for row in rows}) == len(rows)
    assert min(len(row.text.split()) for row in rows) >= MIN_WORDS
    assert not any(mark in row.text for row in rows for mark in ("\t", "\n", ">>>"))


def test_pre_training_sees_nothing_of_the_modules_held_out(docs):
    names = {document.name for document in docs.documents}
    paragraphs = {" ".join(document.paragraphs) for document in docs.documents}
    for split in ("dev", "test"):
        for row in docs.splits[split]:
            assert row.module not in names
            assert row.text not in paragraphs


def test_reading_twice_gives_the_same(docs):
    assert read_library_docs() == docs


def test_reading_imports_nothing_it_reads(docs):
    assert "turtle" not in sys.modules
    assert "tkinter" not in sys.modules


def test_written_files_are_read_back_by_our_own_readers(docs, tmp_path):
    from gloze.tasks.tables import read_rows
    from gloze.text.read import read_documents

    docs.write(tmp_path)
    corpus = list(read_documents([tmp_path / "corpus.txt"]))
    assert [tuple(document.paragraphs) for document in corpus] == [
        document.paragraphs for document in docs.documents
    ]
    for split in SPLITS:
        rows = list(read_rows(tmp_path / f"{split}.tsv", "tsv"))
        assert len(rows) == len(docs.splits[split])


def test_the_areas_follow_the_first_name_of_a_module():
    assert area_of("email.mime.text") == "mail and markup"
    assert area_of("_pydecimal") == "mathematics"
    assert area_of("os") is None


def library(folder, **modules):
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return folder


def test_docstrings_come_from_top_to_bottom(tmp_path):
    source = '"""First."""\nclass A:\n    """Second."""\n    def b(self):\n        """Third."""\n'
    docs = read_library_docs(library(tmp_path, os=source))
    (document,) = docs.documents
    assert (document.name, document.paragraphs) == ("os", ("First.", "Second.", "Third."))


def test_files_that_are_no_python_and_folders_of_tests_are_passed_over(tmp_path):
    (tmp_path / "test").mkdir()
    library(tmp_path / "test", test_os='"""A test of the module."""')
    library(tmp_path, os='"""Real."""', broken="def (:", _sysconfigdata_x='"""Of one machine."""')
    assert [d.name for d in read_library_docs(tmp_path).documents] == ["os"]


def test_a_text_of_two_areas_has_no_label_and_a_repeated_one_counts_once(tmp_path):
    shared = '"""Return the size of this thing in bytes."""'
    twice = '"""Open the socket and wait for somebody."""'
    docs = read_library_docs(
        library(tmp_path, email=shared, socket=shared, http=twice, ssl=twice, os=shared)
    )
    assert [row.module for row in docs.splits["train"]] == ["http"]


def test_language_topics_are_documents(tmp_path):
    (tmp_path / "pydoc_data").mkdir()
    topics = "topics = {'if': 'The \"if\" statement\\n****\\n\\nIt is *used* often.\\n'}"
    library(tmp_path / "pydoc_data", topics=topics)
    docs = read_library_docs(library(tmp_path, os='"""Real."""'))
    assert docs.documents[-1].name == "topic if"
    assert docs.documents[-1].paragraphs == ('The "if" statement', "It is used often.")


def test_a_library_without_sources_is_refused_with_the_cure(tmp_path):
    with pytest.raises(DataError, match="use a Python that has its sources"):
        read_library_docs(tmp_path)


@pytest.mark.parametrize(
    ("text", "paragraphs"),
    [
        ("One line.", ["One line."]),
        ("One\n   paragraph.\n\nAnother.", ["One paragraph.", "Another."]),
        ("Title\n=====\n\nText.", ["Title", "Text."]),
        ("Adds.\n\n>>> 1 + 1\n2\n\nEnd.", ["Adds.", "End."]),
        ("See :func:`~os.walk` and ``x``.", ["See os.walk and x."]),
        ("Use::\n\n   x = 1", ["Use:", "x = 1"]),
        ("* a **bold** word, not *args", ["a bold word, not *args"]),
        ("-----\n\n12 34", []),
        ("| a | b |\n+---+---+\nrest", ["rest"]),
        ('stmt ::= "if"\nText.', ["Text."]),
    ],
)
def test_only_prose_is_kept(text, paragraphs):
    assert clean_docstring(text) == paragraphs
