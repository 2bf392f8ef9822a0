"""Encoding agrees with a slow reference, with the library and with transformers."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.errors import DataError
from gloze.tokenizers import load_tokenizer
from gloze.tokenizers.tokenizer import MAX_BATCH_CHARACTERS
from tests.tokenizers import reference
from tests.tokenizers.small import small_tokenizer

TEXTS = st.lists(
    st.one_of(
        st.text(),
        st.text(
            alphabet=st.sampled_from(
                "abcDE\u00e9\u0301 ##[]MASK\u4e2d\u6587\u302e\u302f.,\n\t\0\u3000"
            )
        ),
    ),
    max_size=6,
)


def sample(path: Path, every: int = 7, most: int = 3000) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.strip() for i, line in enumerate(file) if i % every == 0][:most]


def corpora(shared_data: Path) -> list[str]:
    return [
        *sample(shared_data / "openstax" / "world-history.txt.gz"),
        *sample(shared_data / "eltec-french" / "eltec-french.txt.gz"),
        *sample(shared_data / "zh-clue-small" / "cluecorpussmall-bert-sampled.txt.gz"),
    ]


@pytest.mark.parametrize("cased", [False, True])
@settings(max_examples=300, deadline=None)
@given(texts=TEXTS)
def test_any_text_gets_the_ids_of_the_library(cased, texts):
    tokenizer = small_tokenizer(cased=cased)
    ids, lengths = tokenizer.encode(texts)
    expected = tokenizer._library.encode_batch(texts, add_special_tokens=False)
    assert lengths.tolist() == [len(encoding.ids) for encoding in expected]
    assert ids.tolist() == [i for encoding in expected for i in encoding.ids]


@pytest.mark.parametrize("cased", [False, True])
@settings(max_examples=200, deadline=None)
@given(
    text=st.text(
        alphabet=st.sampled_from("abcdeABC \u00e9\u00c9\u00df\u4e2d\u6587.,!?'[]()\u201c\u2014x1\t")
    )
)
def test_readable_text_gets_the_ids_of_the_slow_reference(cased, text):
    tokenizer = small_tokenizer(cased=cased)
    vocab = {token: i for i, token in enumerate(tokenizer.tokens(range(tokenizer.vocab_size)))}
    assert tokenizer.encode([text])[0].tolist() == reference.encode(text, vocab, lower=not cased)


@pytest.mark.parametrize("name", ["uncased", "cased", "chinese"])
def test_google_vocabularies_give_the_ids_of_transformers(shared_data, name):
    transformers = pytest.importorskip("transformers")
    path = shared_data / "vocab" / f"bert-base-{name}-vocab.txt"
    tokenizer = load_tokenizer(path)
    theirs = transformers.BertTokenizerFast(vocab=str(path), do_lower_case=not tokenizer.is_cased)
    texts = corpora(shared_data)
    ids, lengths = tokenizer.encode(texts)
    expected = theirs(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
    assert lengths.tolist() == [len(x) for x in expected]
    assert ids.tolist() == [i for x in expected for i in x]


@pytest.mark.parametrize("name", ["uncased", "cased", "chinese"])
def test_google_vocabularies_agree_with_the_slow_reference_on_real_text(shared_data, name):
    tokenizer = load_tokenizer(shared_data / "vocab" / f"bert-base-{name}-vocab.txt")
    vocab = {token: i for i, token in enumerate(tokenizer.tokens(range(tokenizer.vocab_size)))}
    for text in corpora(shared_data)[::20]:
        expected = reference.encode(text, vocab, lower=not tokenizer.is_cased)
        assert tokenizer.encode([text])[0].tolist() == expected


def test_the_tokenizer_of_a_released_model_gives_the_ids_of_transformers(shared_data, minilm):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(minilm)
    texts = corpora(shared_data)
    expected = theirs(texts, add_special_tokens=False)["input_ids"]
    for path in (minilm, minilm / "tokenizer.json", minilm / "vocab.txt"):
        assert load_tokenizer(path).encode(texts)[0].tolist() == [i for x in expected for i in x]


def test_a_special_token_written_out_is_plain_text():
    tokenizer = small_tokenizer()
    ids, _ = tokenizer.encode(["a [MASK] b", "[SEP][PAD]"])
    assert not {*ids.tolist()} & {tokenizer.mask_id, tokenizer.sep_id, tokenizer.pad_id}


def test_a_special_token_is_recognized_where_asked_for():
    tokenizer = small_tokenizer()
    ids = tokenizer.encode_with_specials("a [MASK] b [SEP]")
    assert tokenizer.tokens(ids) == ["a", "[MASK]", "b", "[SEP]"]


def test_batches_and_the_bound_of_the_word_table_do_not_change_ids(monkeypatch):
    tokenizer = small_tokenizer()
    texts = ["abc " * 400, "", "de"] * 1200
    assert sum(map(len, texts)) > MAX_BATCH_CHARACTERS
    ids, lengths = tokenizer.encode(texts)
    monkeypatch.setattr("gloze.tokenizers.words.MAX_CACHED_WORDS", 1)
    again, _ = tokenizer.encode(texts)
    one, count = tokenizer.encode(texts[:3])
    assert lengths.tolist() == count.tolist() * 1200
    assert np.array_equal(ids, again)
    assert np.array_equal(ids[: len(one)], one)


def test_no_texts_give_no_ids():
    ids, lengths = small_tokenizer().encode([])
    assert (len(ids), len(lengths)) == (0, 0)


def test_a_word_too_long_to_cut_is_unknown():
    tokenizer = small_tokenizer()
    assert tokenizer.encode(["a" * 101])[0].tolist() == [tokenizer.unk_id]
    assert len(tokenizer.encode(["a" * 100])[0]) > 1


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(DataError, match=r"half of a surrogate pair \(U\+D800\)"):
        small_tokenizer().encode(["a \ud800 b"])


def test_words_start_where_a_piece_has_no_mark():
    tokenizer = small_tokenizer()
    ids, _ = tokenizer.encode(["abcde, zebra"])
    starts = tokenizer.word_starts(ids)
    assert starts.tolist() == [not token.startswith("##") for token in tokenizer.tokens(ids)]
    assert starts.sum() == 3


def test_a_copy_through_pickle_is_the_same():
    tokenizer = small_tokenizer()
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.fingerprint == tokenizer.fingerprint
    assert (
        copy.encode(["abc [MASK] d"])[0].tolist() == tokenizer.encode(["abc [MASK] d"])[0].tolist()
    )


def test_readable_text_comes_back():
    tokenizer = small_tokenizer()
    ids, _ = tokenizer.encode(["the cat, a dog"])
    assert tokenizer.decode(ids) == "the cat, a dog"


def bare(tokenizer, text):
    """What a text is made of once normalized, spaces left out."""
    return "".join(tokenizer._library.normalizer.normalize_str(text).split())


@pytest.mark.parametrize("cased", [False, True])
@settings(max_examples=300, deadline=None)
@given(texts=TEXTS)
def test_offsets_index_the_given_text_and_its_slice_makes_the_token(cased, texts):
    tokenizer = small_tokenizer(cased=cased)
    ids, lengths, offsets = tokenizer.encode_with_offsets(texts)
    again, sizes = tokenizer.encode(texts)
    assert (ids.tolist(), lengths.tolist()) == (again.tolist(), sizes.tolist())
    assert offsets.shape == (len(ids), 2)
    owners = np.repeat(np.arange(len(texts)), lengths)
    for token, owner, (start, end) in zip(tokenizer.tokens(ids), owners, offsets, strict=True):
        assert 0 <= start < end <= len(texts[owner])
        if token != "[UNK]":
            assert token.removeprefix("##") in bare(tokenizer, texts[owner][start:end])


def test_offsets_on_accents_chinese_emoji_marks_and_control_characters():
    texts = ["Caf\u00e9 cafe\u0301 \u4e2d\u6587 \U0001f600 a\u200bb c\x07d", "", "\u00c9t\u00e9"]
    tokenizer = small_tokenizer()
    ids, lengths, offsets = tokenizer.encode_with_offsets(texts)
    starts = tokenizer.word_starts(ids, lengths)
    firsts, lasts = np.flatnonzero(starts), np.append(np.flatnonzero(starts)[1:], len(ids)) - 1
    owners = np.repeat(np.arange(3), lengths)
    words = [
        texts[owners[a]][offsets[a, 0] : offsets[b, 1]] for a, b in zip(firsts, lasts, strict=True)
    ]
    # The accent that stood apart is behind the last letter: nothing the token was made of.
    assert words[:4] == ["Caf\u00e9", "cafe", "\u4e2d", "\u6587"]
    assert words[4:] == ["\U0001f600", "a\u200bb", "c\x07d", "\u00c9t\u00e9"]


def test_offsets_of_real_text_give_back_its_words(shared_data, minilm):
    tokenizer = load_tokenizer(minilm)
    for text in filter(None, corpora(shared_data)[::40]):
        ids, lengths, offsets = tokenizer.encode_with_offsets([text])
        starts = np.flatnonzero(tokenizer.word_starts(ids, lengths))
        spans = zip(
            offsets[starts, 0], offsets[np.append(starts[1:], len(ids)) - 1, 1], strict=True
        )
        found = "".join(bare(tokenizer, text[a:b]) for a, b in spans)
        assert found == bare(tokenizer, text)


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(st.lists(st.text(max_size=8), max_size=5), max_size=4))
def test_words_given_as_such_are_encoded_one_by_one(texts):
    tokenizer = small_tokenizer()
    ids, lengths, word = tokenizer.encode_words(texts)
    expected = [
        (number, i)
        for text in texts
        for number, each in enumerate(text)
        for i in tokenizer._library.encode(each, add_special_tokens=False).ids
    ]
    assert list(zip(word.tolist(), ids.tolist(), strict=True)) == expected
    assert len(lengths) == len(texts)
    assert lengths.sum() == len(ids)


def test_a_word_of_which_nothing_is_left_has_no_token():
    ids, lengths, word = small_tokenizer().encode_words([["the", "\u200b", "cat"], ["\x07"], []])
    assert small_tokenizer().tokens(ids) == ["the", "cat"]
    assert (lengths.tolist(), word.tolist()) == ([2, 0, 0], [0, 2])


def test_words_of_a_tokenizer_that_marks_spaces_are_those_of_the_joined_text(tmp_path):
    library = tokenizers.Tokenizer(tokenizers.models.BPE())
    library.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    library.train_from_iterator(["the cat saw the dog"] * 3, trainer=trainer)
    library.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path / "tokenizer.json")
    words = ["the", "cat", "saw", "the", "dog"]
    ids, _, word = tokenizer.encode_words([words])
    assert ids.tolist() == tokenizer.encode([" ".join(words)])[0].tolist()
    assert word[-1] == 4
    text = "the  cat saw"
    _, _, offsets = tokenizer.encode_with_offsets([text])
    assert "".join(text[a:b] for a, b in offsets) == "thecatsaw"
