"""Schemes of tags: told apart, checked, written in one another."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.metrics.chunks import chunks, strict_chunks
from gloze.tasks.schemes import (
    breaches,
    convert,
    detect,
    is_legal,
    is_of_scheme,
    labels_of,
    plain_tag,
    rules,
)

TAGS = ["O", *(f"{letter}-{kind}" for letter in "BIES" for kind in ("PER", "LOC"))]
any_tags = st.lists(st.sampled_from(TAGS), max_size=12)
SAME = {
    "iob1": "I-PER B-PER I-PER O I-LOC I-PER",
    "iob2": "B-PER B-PER I-PER O B-LOC B-PER",
    "bioes": "S-PER B-PER E-PER O S-LOC S-PER",
}


@pytest.mark.parametrize("scheme", SAME)
@pytest.mark.parametrize("other", SAME)
def test_every_scheme_is_written_in_every_other(scheme, other):
    assert convert(SAME[scheme].split(), other) == SAME[other].split()


@pytest.mark.parametrize("scheme", SAME)
def test_the_scheme_is_detected(scheme):
    assert detect([SAME[scheme].split()]) == scheme
    assert breaches([SAME[scheme].split()], scheme) == []


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("NN VB NN", "none"),
        ("I S E", "none"),  # bare letters, B not among them
        ("B I I B", "iob2"),
        ("B M E S", "bioes"),
        ("B-PER M-PER E-PER O", "bioes"),
        ("B-PER L-PER O U-LOC", "bioes"),
        ("B-PER I-PER O", "iob2"),
        ("I-PER I-PER O", "iob1"),
        ("O O", "none"),
        ("B-PER X-PER", "iob2"),
    ],
)
def test_the_scheme_of_odd_tags(tags, scheme):
    assert detect([tags.split()]) == scheme


def test_a_few_breaches_do_not_change_the_scheme():
    assert detect([["B-PER", "I-PER", "O"]] * 3 + [["I-PER", "O"]]) == "iob2"
    assert detect([["I-PER", "I-PER", "O"]] * 3 + [["B-PER", "O"]]) == "iob1"


@pytest.mark.parametrize(
    ("tags", "scheme", "expected"),
    [
        ("O I-PER", "iob2", [(0, 1, "I-PER follows O")]),
        ("B-LOC I-PER", "iob2", [(0, 1, "I-PER follows B-LOC")]),
        ("I-PER", "iob2", [(0, 0, "I-PER begins a sentence")]),
        ("B-PER I-PER", "iob1", [(0, 0, "B-PER begins a sentence")]),
        ("B-PER O", "bioes", [(0, 1, "O follows B-PER")]),
        ("O B-PER", "bioes", [(0, 1, "B-PER ends a sentence")]),
        ("B-PER L-PER U-LOC", "bioes", []),
    ],
)
def test_breaches_are_found_where_they_are(tags, scheme, expected):
    assert breaches([tags.split()], scheme) == expected


@settings(max_examples=300, deadline=None)
@given(any_tags)
def test_conversion_keeps_chunks_and_obeys_the_scheme(tags):
    for scheme in SAME:
        converted = convert(tags, scheme)
        assert chunks(converted) == chunks(tags)
        assert breaches([converted], scheme) == []
        assert convert(converted, scheme) == converted
    for scheme in ("iob2", "bioes"):
        strict = strict_chunks(convert(tags, scheme), scheme=scheme)
        assert strict == chunks(tags)


@settings(max_examples=300, deadline=None)
@given(any_tags)
def test_no_breach_means_that_rules_allow_the_path(tags):
    for scheme in SAME:
        own = [tag for tag in tags if is_of_scheme(tag, scheme)]
        if not own:
            continue
        labels = sorted(set(own))
        found = rules(labels, scheme)
        numbers = [labels.index(tag) for tag in own]
        is_allowed = (
            found.start[numbers[0]]
            and found.end[numbers[-1]]
            and all(found.steps[a, b] for a, b in pairwise(numbers))
        )
        assert is_allowed == (breaches([own], scheme) == [])


def test_letters_of_other_names_are_those_of_bioes():
    tags = ["M-PER", "L-PER", "U-PER", "W-PER", "M", "B-MISC", "O", "MD", "WP"]
    expected = ["I-PER", "E-PER", "S-PER", "S-PER", "I", "B-MISC", "O", "MD", "WP"]
    assert [plain_tag(tag) for tag in tags] == expected


def test_labels_of_chunks_are_whole():
    tags = [["B-PER", "O", "B-LOC", "I-LOC"]]
    assert labels_of(tags, "iob2") == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert labels_of([["B", "E", "S"]], "bioes") == ["B", "I", "E", "S"]
    assert labels_of([["VB", "NN"]], "none") == ["NN", "VB"]


def test_other_tags_may_stand_anywhere():
    assert is_legal("NN", "VB", "none")
    assert breaches([["NN", "VB"]], "none") == []
    assert convert(["NN", "VB"], "none") == ["NN", "VB"]
    assert rules(["NN", "VB"], "none").steps.all()


@pytest.mark.parametrize(
    ("tag", "scheme", "is_one"),
    [
        ("E-PER", "iob2", False),
        ("E-PER", "bioes", True),
        ("M-PER", "bioes", True),
        ("X-PER", "bioes", False),
        ("NN", "iob1", False),
        ("NN", "none", True),
    ],
)
def test_tags_that_no_scheme_knows_are_told(tag, scheme, is_one):
    assert is_of_scheme(tag, scheme) == is_one
