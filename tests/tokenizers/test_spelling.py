"""Words as bytes: of a vocabulary, and of texts whose words it does not know."""

import numpy as np
import pytest

from gloze.core.errors import ConfigError
from gloze.tokenizers import TokenizerConfig, learn_tokenizer
from gloze.tokenizers.spelling import spell, spell_marks, spell_texts, spell_vocabulary
from tests import small


def words(**changes):
    config = TokenizerConfig(kind="words", min_count=1, vocab_size=99, **changes)
    return learn_tokenizer(lambda: iter(["the cat sat, the cat"]), config)


def text_of(row):
    return bytes(row[row != 0])


def test_bytes_are_those_of_utf8_cut_at_the_size():
    found = spell(["cat", "", "é日", "abcdef", "a\0b"], 4)
    assert found.dtype == np.uint8
    assert list(map(text_of, found)) == [b"cat", b"", b"\xc3\xa9\xe6\x97", b"abcd", b"ab"]
    assert spell([], 4).shape == (0, 4)


def test_a_vocabulary_has_its_entries_and_marks_for_begin_and_end():
    tokenizer = words()
    found = spell_vocabulary(tokenizer, 6)
    assert text_of(found[tokenizer.token_id("cat")]) == b"cat"
    assert text_of(found[tokenizer.unk_id]) == b"[UNK]"
    assert found[tokenizer.cls_id].tolist() == [254, 0, 0, 0, 0, 0]
    assert np.array_equal(found[[tokenizer.cls_id, tokenizer.sep_id]], spell_marks(6))


@pytest.mark.parametrize("changes", [{}, {"split": "spaces", "cased": True}, {"cased": True}])
def test_each_token_of_a_text_is_spelled_as_it_is_written(changes):
    tokenizer = words(**changes)
    texts = ["The cat, unheard-of!", "", "a [CLS] \x01 Cat", "é" * 2000]
    ids, lengths = tokenizer.encode(texts)
    found = spell_texts(tokenizer, texts, 12)
    assert len(found) == len(ids) == lengths.sum()
    known = ids != tokenizer.unk_id
    assert np.array_equal(found[known], spell_vocabulary(tokenizer, 12)[ids[known]])
    spelled = [text_of(row) for row in found]
    assert (b"Cat" if changes else b"cat") in spelled
    # No special token is meant by what stands in a text.
    assert not (found >= 254).any()
    if changes.get("split") == "spaces":
        assert b"unheard-of!" in spelled


def test_a_vocabulary_of_pieces_is_refused():
    with pytest.raises(ConfigError, match=r"\(WordPiece\) has pieces: .*--kind words"):
        spell_vocabulary(small.tokenizer(), 6)
    with pytest.raises(ConfigError, match=r"\(WordPiece\) has pieces"):
        spell_texts(small.tokenizer(), ["a"], 6)
