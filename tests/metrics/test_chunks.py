"""Chunks of tags: conlleval's reading and the strict one, against seqeval and by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.metrics.chunks import (
    Chunk,
    ChunkCounts,
    chunks,
    count_chunks,
    strict_chunks,
    tagging_figures,
    total,
    words_as_chunks,
)
from gloze.metrics.table import types_tables

TAGS = ["O", *(f"{letter}-{kind}" for letter in "BIES" for kind in ("PER", "LOC", "A-B"))]
sentences = st.lists(st.sampled_from(TAGS), min_size=1, max_size=12)
iob_sentences = st.lists(
    st.sampled_from([tag for tag in TAGS if tag[0] in "BIO"]), min_size=1, max_size=12
)


def seqeval_chunks(tags):
    from seqeval.metrics.sequence_labeling import get_entities

    return [Chunk(kind, first, last + 1) for kind, first, last in get_entities(tags)]


def seqeval_strict(tags, scheme):
    from seqeval import scheme as schemes

    found = schemes.Entities([tags], getattr(schemes, scheme)).entities[0]
    return [Chunk(entity.tag, entity.start, entity.end) for entity in found]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-PER I-PER O", [("PER", 0, 2)]),
        ("I-PER I-PER O I-LOC", [("PER", 0, 2), ("LOC", 3, 4)]),
        ("I-LOC B-LOC I-LOC", [("LOC", 0, 1), ("LOC", 1, 3)]),
        ("B-PER I-LOC", [("PER", 0, 1), ("LOC", 1, 2)]),
        ("S-PER B-LOC I-LOC E-LOC E-LOC", [("PER", 0, 1), ("LOC", 1, 4), ("LOC", 4, 5)]),
        ("B E S B I E", [("", 0, 2), ("", 2, 3), ("", 3, 6)]),
        ("O O", []),
        ("", []),
    ],
)
def test_chunks_read_as_conlleval_reads_them(tags, expected):
    assert chunks(tags.split()) == expected


@pytest.mark.parametrize(
    ("tags", "scheme", "expected"),
    [
        ("I-PER B-LOC I-LOC I-PER", "iob2", [("LOC", 1, 3)]),
        ("B-PER I-LOC", "iob2", [("PER", 0, 1)]),
        ("B-PER I-PER O S-LOC", "bioes", [("LOC", 3, 4)]),
        ("B-PER I-PER E-PER E-PER", "bioes", [("PER", 0, 3)]),
        (
            "I-PER B-PER O I-LOC I-PER",
            "iob1",
            [("PER", 0, 1), ("PER", 1, 2), ("LOC", 3, 4), ("PER", 4, 5)],
        ),
        ("B-PER O I-LOC B-PER I-PER", "iob1", [("LOC", 2, 3)]),
    ],
)
def test_strict_chunks_are_those_written_by_the_rules(tags, scheme, expected):
    assert strict_chunks(tags.split(), scheme=scheme) == expected


@settings(max_examples=500, deadline=None)
@given(sentences)
def test_the_reading_is_seqevals_default_on_any_tags(tags):
    pytest.importorskip("seqeval")
    assert chunks(tags) == seqeval_chunks(tags)


@settings(max_examples=500, deadline=None)
@given(iob_sentences)
def test_the_strict_reading_of_iob2_is_seqevals(tags):
    pytest.importorskip("seqeval")
    assert strict_chunks(tags) == seqeval_strict(tags, "IOB2")


@settings(max_examples=500, deadline=None)
@given(sentences)
def test_the_strict_reading_of_bioes_is_seqevals(tags):
    pytest.importorskip("seqeval")
    assert strict_chunks(tags, scheme="bioes") == seqeval_strict(tags, "IOBES")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(iob_sentences, st.randoms()), min_size=1, max_size=5))
def test_figures_are_seqevals_in_both_modes(drawn):
    pytest.importorskip("seqeval")
    from seqeval.metrics import f1_score, precision_score, recall_score
    from seqeval.scheme import IOB2

    gold = [tags for tags, _ in drawn]
    said = [[random.choice([tag, "O", "B-PER"]) for tag in tags] for tags, random in drawn]
    for read, mode in ((chunks, {}), (strict_chunks, {"mode": "strict", "scheme": IOB2})):
        found = total(count_chunks(gold, said, read))
        theirs = [
            score(gold, said, zero_division=0, **mode)
            for score in (precision_score, recall_score, f1_score)
        ]
        assert [found.precision, found.recall, found.f1] == pytest.approx(theirs)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(sentences, st.randoms()), min_size=1, max_size=5))
def test_the_table_of_types_is_seqevals(drawn):
    pytest.importorskip("seqeval")
    from seqeval.metrics import classification_report

    gold = [tags for tags, _ in drawn]
    said = [[random.choice(TAGS) for _ in tags] for tags, random in drawn]
    found = count_chunks(gold, said)
    if not found:
        return
    table = classification_report(gold, said, output_dict=True, zero_division=0)
    for kind, counts in found.items():
        ours = [counts.precision, counts.recall, counts.f1, counts.gold]
        names = ("precision", "recall", "f1-score", "support")
        assert ours == pytest.approx([table[kind][name] for name in names])


def test_figures_from_the_counts_that_conlleval_documents():
    # The sample output of the shared task of CoNLL-2000: 459 phrases; found: 539; correct: 371.
    found = ChunkCounts(gold=459, said=539, right=371)
    figures = [round(100 * x, 2) for x in (found.precision, found.recall, found.f1)]
    assert figures == [68.83, 80.83, 74.35]


@pytest.mark.parametrize(
    ("inserted", "deleted", "substituted", "gold", "said", "recall", "precision", "f"),
    [
        (5389, 385, 4471, 106873, 111877, 0.955, 0.912, 0.933),
        (2466, 1733, 4238, 106873, 107606, 0.944, 0.938, 0.941),
    ],
)
def test_figures_from_the_counts_that_sighans_scorer_printed(
    inserted, deleted, substituted, gold, said, recall, precision, f
):
    right = gold - deleted - substituted
    assert right == said - inserted - substituted
    found = ChunkCounts(gold, said, right)
    assert [round(x, 3) for x in (found.recall, found.precision, found.f1)] == [
        recall,
        precision,
        f,
    ]


def test_nothing_there_and_nothing_said_is_zero():
    found = total(count_chunks([["O"]], [["O"]]))
    assert (found.precision, found.recall, found.f1) == (0.0, 0.0, 0.0)
    assert found.to_dict()["gold"] == 0


def test_parts_of_speech_are_chunks_of_a_word():
    found = count_chunks([["NN", "VB", "NN"]], [["NN", "NN", "NN"]], words_as_chunks)
    assert found == {"NN": ChunkCounts(2, 3, 2), "VB": ChunkCounts(1, 0, 0)}
    assert total(found).f1 == pytest.approx(2 / 3)


def test_figures_of_tags_by_hand():
    gold, said = [["B-PER", "I-PER", "O"], ["O"]], [["I-PER", "I-PER", "B-LOC"], ["O"]]
    figures = tagging_figures(gold, said, "iob2")
    assert (figures["precision"], figures["recall"], figures["f1"]) == (0.5, 1.0, 2 / 3)
    assert (figures["precision_strict"], figures["recall_strict"]) == (0.0, 0.0)
    assert (figures["words"], figures["accuracy"]) == (4, 0.5)
    assert figures["types"]["LOC"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "gold": 0,
        "said": 1,
    }


def test_types_are_shown_as_a_table():
    figures = tagging_figures([["B-PER", "O"]], [["B-PER", "O"]], "iob2")
    (table,) = types_tables({"-": figures})
    header, row = (line.split() for line in table.splitlines())
    assert header == ["type", "precision", "recall", "f1", "gold", "said"]
    assert row == ["PER", "1.0000", "1.0000", "1.0000", "1", "1"]
    assert types_tables({"-": {"accuracy": 1.0}}) == []
    two = types_tables({"0": figures, "1": figures})
    assert [table.split()[0] for table in two] == ["0", "1"]


def test_as_many_sentences_must_be_answered_as_there_are():
    with pytest.raises(ValueError, match="shorter"):
        count_chunks([["O"]], [])
