"""Words are found by row and rows by word, whatever the words are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gloze.vectors import words as module
from gloze.vectors.words import Words

SOME = st.lists(st.text(max_size=6), unique=True, max_size=20)


@given(SOME, st.lists(st.text(max_size=6), max_size=10))
def test_a_word_has_its_row_and_others_have_none(words, asked):
    index = Words.of(words)
    assert list(index) == words
    assert [index[i] for i in range(len(words))] == words
    expected = {word: row for row, word in enumerate(words)}
    for word in [*words, *asked]:
        assert index.row(word) == expected.get(word, -1)
        assert (word in index) == (word in expected)
    assert index.rows([*asked, *words]).tolist() == [expected.get(w, -1) for w in [*asked, *words]]


def test_many_words_at_once_give_the_same_rows(monkeypatch):
    words = [f"w{i}" for i in range(50)]
    few = Words.of(words).rows([*words, "none"])
    monkeypatch.setattr(module, "_FEW", 10)
    assert Words.of(words).rows([*words, "none"]).tolist() == few.tolist()


def test_rows_count_from_both_ends_and_no_further():
    index = Words.of(["a", "b", "c"])
    assert (index[-1], index[1:], index[::-1]) == ("c", ["b", "c"], ["c", "b", "a"])
    for row in (3, -4):
        with pytest.raises(IndexError):
            index[row]


def test_of_words_that_differ_in_case_the_first_is_found():
    assert Words.of(["The", "the", "CAT"]).folded == {"the": 0, "cat": 2}
