"""More words for a vocabulary: which, where they go, and what stays as it is."""

import pytest

from gloze.core.errors import ConfigError, DataError
from gloze.tokenizers import Tokenizer, learn_words, load_tokenizer, new_ids, size_with, with_words

SPECIAL = ("[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]")
LETTERS = "abcdefghij"
VOCAB = (*SPECIAL, *LETTERS, *(f"##{x}" for x in LETTERS), "abc", "##de")


def tokenizer(folder, vocab=VOCAB):
    path = folder / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in vocab), encoding="utf-8")
    return load_tokenizer(path)


def test_words_come_by_count_times_the_pieces_they_save(tmp_path):
    base = tokenizer(tmp_path)
    # Pieces: fghij 5, abcde 2, ab 2, z unknown, abc 1, hij once only.
    text = "fghij fghij " + "abcde " * 9 + "ab " * 7 + "z " * 3 + "abc " * 50 + "hij"
    assert learn_words([text], base, 4) == ["abcde", "fghij", "ab", "z"]
    with pytest.raises(DataError, match=r"has 4 words .* not 5.*--extend-vocabulary 4"):
        learn_words([text], base, 5)


def test_ties_go_by_code_point(tmp_path):
    assert learn_words(["ba ab ba ab"], tokenizer(tmp_path), 2) == ["ab", "ba"]


def test_words_take_the_unused_places_and_then_the_end(tmp_path):
    base = tokenizer(tmp_path)
    new = with_words(base, ["fg", "hi", "jj"])
    tokens = new.tokens(range(new.vocab_size))
    assert (tokens[1], tokens[6], tokens[len(VOCAB)]) == ("fg", "hi", "jj")
    assert [t for i, t in enumerate(tokens) if i not in (1, 6)] == [
        *(t for t in VOCAB if "unused" not in t),
        "jj",
    ]
    assert new_ids(new, base) == [1, 6, len(VOCAB)]
    assert [size_with(base, n) for n in (0, 2, 3)] == [len(VOCAB), len(VOCAB), len(VOCAB) + 1]
    assert new.tokens(new.encode(["hi jja"])[0]) == ["hi", "jj", "##a"]
    assert new.fingerprint != base.fingerprint


def test_a_word_that_would_make_another_unknown_is_passed_over(tmp_path):
    # abcd + e: there is no ##e alone, so with "abcd" the word abcde could not be written.
    vocab = tuple(token for token in VOCAB if token != "##e")
    base = tokenizer(tmp_path, vocab)
    text = "abcd " * 9 + "abcde abcde abcde " + "fg fg"
    assert base.tokens(base.encode(["abcde"])[0]) == ["abc", "##de"]
    assert learn_words([text], base, 1) == ["abcde"]
    assert learn_words([text], base, 2) == ["abcd", "abcde"]
    extended = with_words(base, ["abcd", "abcde"])
    assert "[UNK]" not in extended.tokens(extended.encode(["abcde", "abcd"])[0])


def test_a_word_that_would_make_one_unknown_that_is_met_once_is_passed_over_too(tmp_path):
    vocab = tuple(token for token in VOCAB if token != "##e")
    base = tokenizer(tmp_path, vocab)
    text = "abcd abcd abcde fg fg"
    assert learn_words([text], base, 1) == ["fg"]
    with pytest.raises(DataError, match="has 1 words"):
        learn_words([text], base, 2)


def test_other_kinds_and_senseless_numbers_are_refused(tmp_path):
    base = tokenizer(tmp_path)
    with pytest.raises(ConfigError, match="--extend-vocabulary 0"):
        learn_words(["ab ab"], base, 0)
    definition = {**base._definition, "pre_tokenizer": {"type": "Whitespace"}}
    with pytest.raises(ConfigError, match="Only vocabularies of WordPiece"):
        learn_words(["ab ab"], Tokenizer(definition, base.special_tokens), 1)
    with pytest.raises(DataError, match="has 0 words that the vocabulary cuts up, not 1"):
        learn_words(["abc abc"], base, 1)


def test_tokens_added_beside_the_vocabulary_are_refused(tmp_path):
    base = tokenizer(tmp_path)
    more = {**base._definition["added_tokens"][0], "id": len(VOCAB), "content": "[DOC]"}
    definition = {**base._definition, "added_tokens": [*base._definition["added_tokens"], more]}
    with pytest.raises(ConfigError, match="tokens beside its vocabulary"):
        with_words(Tokenizer(definition, base.special_tokens), ["fg"])
