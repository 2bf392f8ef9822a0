"""Vocabularies of whole words: what is in them, and that texts are cut as they say."""

from __future__ import annotations

import gzip
import json
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gloze.core.errors import ConfigError, DataError
from gloze.tokenizers import TokenizerConfig, config_of, learn_tokenizer, load_tokenizer
from tests.tokenizers import reference

TEXTS = ["the cat sat, the cat ran", "The dog [MASK] ran the race", "a cat"]


def learn(texts=TEXTS, **settings):
    config = TokenizerConfig(**{"kind": "words", "min_count": 1, **settings})
    return learn_tokenizer(lambda: iter(texts), config)


def test_words_come_by_frequency_and_ties_by_code_point():
    tokens = learn(min_count=2)
    assert tokens.tokens(range(tokens.vocab_size))[5:] == ["the", "cat", "ran"]
    assert learn(vocab_size=7).tokens([5, 6]) == ["the", "cat"]


def test_five_times_is_often_enough_unless_told_otherwise():
    words = learn(["a " * 5 + "b " * 4], min_count=None)
    assert words.tokens(range(5, words.vocab_size)) == ["a"]
    with pytest.raises(DataError, match="no word of the corpus is met 6 times"):
        learn(["a " * 5], min_count=6)


@given(
    st.lists(st.text(alphabet="aB\u00e9,.' \u4e2d\u6587\t", max_size=12), min_size=1, max_size=4)
)
def test_texts_are_cut_as_the_reference_cuts_them(texts):
    tokenizer = learn(["a b , . ' \u4e2d"])
    ids, lengths = tokenizer.encode(texts)
    expected = [
        [
            t if tokenizer.token_id(t) is not None else "[UNK]"
            for t in reference.words(x, lower=True)
        ]
        for x in texts
    ]
    assert lengths.tolist() == [len(each) for each in expected]
    assert tokenizer.tokens(ids) == [token for each in expected for token in each]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=3))
def test_at_spaces_nothing_else_parts_words(texts):
    texts = [" ".join(text.split()) for text in texts if text.isprintable()]
    tokenizer = learn([*texts, "word"], split="spaces", cased=True)
    ids, lengths = tokenizer.encode(texts)
    words = [text.split() for text in texts]
    assert lengths.tolist() == list(map(len, words))
    assert tokenizer.tokens(ids) == [word for each in words for word in each]


def test_a_word_written_like_a_special_token_is_unknown():
    tokenizer = learn(["a [MASK] b <unk>"] * 2, split="spaces", cased=True)
    assert tokenizer.tokens(range(5, tokenizer.vocab_size)) == ["<unk>", "a", "b"]
    ids, _ = tokenizer.encode(["a [MASK] [CLS] b"])
    assert tokenizer.tokens(ids) == ["a", "[UNK]", "[UNK]", "b"]


CHINESE = (
    "\u5c0f\u660e\u6bd5\u4e1a\u4e8e\u4e2d\u56fd\u79d1\u5b66\u9662\uff0c\u540e\u5728\u65e5\u672c"
)


def test_words_of_jieba_and_their_places():
    rjieba = pytest.importorskip("rjieba")
    tokenizer = learn([CHINESE], split="jieba")
    assert set(tokenizer.tokens(range(5, tokenizer.vocab_size))) == set(rjieba.cut(CHINESE))
    text = f" {CHINESE}  {CHINESE} X"
    ids, lengths, offsets = tokenizer.encode_with_offsets([text, CHINESE])
    words = [*(w for w in rjieba.cut(text) if w.strip()), *rjieba.cut(CHINESE)]
    texts = [text] * int(lengths[0]) + [CHINESE] * int(lengths[1])
    assert [t[a:b] for t, (a, b) in zip(texts, offsets, strict=True)] == words
    assert tokenizer.tokens(ids) == [w if w != "X" else "[UNK]" for w in words]


@pytest.mark.parametrize("split", ["punctuation", "spaces", "jieba"])
def test_a_saved_tokenizer_is_the_same(split, tmp_path):
    if split == "jieba":
        pytest.importorskip("rjieba")
    tokenizer = learn(split=split)
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    for other in (loaded, pickle.loads(pickle.dumps(tokenizer))):
        assert other.fingerprint == tokenizer.fingerprint
        np.testing.assert_array_equal(other.encode(TEXTS)[0], tokenizer.encode(TEXTS)[0])
    found = config_of(loaded)
    assert (found.kind, found.split, found.vocab_size) == ("words", split, tokenizer.vocab_size)


def test_how_words_are_parted_is_part_of_the_fingerprint():
    pytest.importorskip("rjieba")
    by = {split: learn(["a b"], split=split).fingerprint for split in ("spaces", "jieba")}
    assert by["spaces"] != by["jieba"]


def test_a_folder_cannot_name_code_that_parts_words(tmp_path):
    learn(split="spaces").save(tmp_path)
    settings = tmp_path / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "segmenter": "os:system"}))
    with pytest.raises(DataError, match="parts words by 'os:system'"):
        load_tokenizer(tmp_path)


def test_transformers_reads_it(tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer = learn()
    tokenizer.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS[:1] + TEXTS[2:]:
        ids = theirs(text, add_special_tokens=False)["input_ids"]
        assert ids == tokenizer.encode([text])[0].tolist()


def test_every_word_starts_a_word_whatever_it_begins_with():
    tokenizer = learn(["\u2581a \u0120b c"], split="spaces")
    ids, lengths = tokenizer.encode(["c \u2581a c"])
    assert tokenizer.word_starts(ids, lengths).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "wordpiece", "split": "spaces"}, "--kind words"),
        ({"cased": True, "keep_accents": True}, "cased keeps accents as well"),
        ({"limit_alphabet": 5}, "whole words have no letters"),
        ({"min_count": 0}, "min_count 0"),
        ({"split": "lines"}, "Unknown split of tokenizer 'lines'"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TokenizerConfig(**{"kind": "words", **settings})


def test_real_text_is_counted_exactly(shared_data):
    path = next((shared_data / "ptb").glob("*train*"))
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")
    counts = Counter(word for line in lines for word in line.split())
    tokenizer = learn(lines, split="spaces", cased=True, vocab_size=2005)
    best = sorted(counts, key=lambda word: (-counts[word], word))[:2000]
    assert tokenizer.tokens(range(5, tokenizer.vocab_size)) == best


def test_given_words_come_first_and_others_after_them():
    config = TokenizerConfig(kind="words", min_count=1, vocab_size=9)
    tokenizer = learn_tokenizer(lambda: iter(TEXTS), config, ["zebra", "cat"])
    assert tokenizer.tokens(range(5, tokenizer.vocab_size)) == ["zebra", "cat", "the", "ran"]
    config = TokenizerConfig(kind="words", min_count=99, vocab_size=6)
    tokenizer = learn_tokenizer(lambda: iter(TEXTS), config, ["zebra", "cat"])
    assert tokenizer.tokens(range(5, tokenizer.vocab_size)) == ["zebra", "cat"]


@pytest.mark.parametrize("kind", ["words", "wordpiece"])
def test_accents_may_be_kept_without_capitals(kind, tmp_path):
    texts = ["Caf\u00e9 \u00c9t\u00e9"] * 5
    size = {"words": 9, "wordpiece": 19}[kind]
    made = learn(texts, kind=kind, keep_accents=True, vocab_size=size)
    ids, _ = made.encode(texts[:1])
    assert "".join(made.tokens(ids)).replace("##", "") == "caf\u00e9\u00e9t\u00e9"
    made.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.fingerprint == made.fingerprint
    assert config_of(loaded).keep_accents
