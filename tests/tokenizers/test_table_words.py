"""The tokenizer of a table: texts cut as its words are, words that are given kept whole."""

from __future__ import annotations

import pickle

import pytest

from gloze.tokenizers import TokenizerConfig
from gloze.tokenizers.table_words import TableTokenizer
from gloze.tokenizers.whole_words import cut_words

UNCASED = TokenizerConfig(kind="words")
CASED = TokenizerConfig(kind="words", cased=True)
WORDS = ["the", "u.s.", "cafe", "film", ".", "New", "new", "中文"]


def words_of(tokenizer, ids):
    return tokenizer.tokens(ids.tolist())


def test_texts_are_cut_as_the_vectors_of_texts_cut_them():
    texts = ["The Café, the film.", "", "U.S. films"]
    tokenizer = TableTokenizer(WORDS, UNCASED)
    ids, lengths = tokenizer.encode(texts)
    words, expected = cut_words(texts, UNCASED)
    assert lengths.tolist() == expected.tolist()
    assert words_of(tokenizer, ids) == [w if w in WORDS else "[UNK]" for w in words]


def test_each_word_that_is_given_is_one_token_whatever_marks_it_has():
    tokenizer = TableTokenizer(WORDS, UNCASED)
    ids, lengths, places = tokenizer.encode_words([["U.S.", "Café", "中文"], ["\x07", "don't"]])
    assert words_of(tokenizer, ids) == ["u.s.", "cafe", "中文", "[UNK]"]
    assert lengths.tolist() == [3, 1]
    # Of a lone control character nothing is left, and so it has no token.
    assert places.tolist() == [0, 1, 2, 1]


def test_capitals_are_looked_for_as_written_and_then_in_any_case():
    tokenizer = TableTokenizer(WORDS, CASED)
    ids, _ = tokenizer.encode(["New new NEW Film FILM"])
    assert words_of(tokenizer, ids) == ["New", "new", "New", "film", "film"]
    given, _, _ = tokenizer.encode_words([["NEW", "The"]])
    assert words_of(tokenizer, given) == ["New", "the"]


def test_special_tokens_in_a_text_are_unknown_words():
    tokenizer = TableTokenizer(WORDS, TokenizerConfig(kind="words", split="spaces"))
    assert words_of(tokenizer, tokenizer.encode(["[MASK] film"])[0]) == ["[UNK]", "film"]
    assert words_of(tokenizer, tokenizer.encode_words([["[mask]", "[MASK]"]])[0]) == ["[UNK]"] * 2


@pytest.mark.parametrize("cut", [CASED, UNCASED])
def test_a_pickled_one_gives_the_same_ids(cut):
    tokenizer = TableTokenizer(WORDS, cut)
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.fingerprint == tokenizer.fingerprint
    text = ["NEW film, U.S."]
    assert again.encode(text)[0].tolist() == tokenizer.encode(text)[0].tolist()
    assert (
        again.encode_words([["NEW"]])[0].tolist() == tokenizer.encode_words([["NEW"]])[0].tolist()
    )
