"""Byte pairs of letters and of bytes: what is learned, and that texts are cut as they say."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.errors import ConfigError, DataError
from gloze.tokenizers import TokenizerConfig, config_of, learn_tokenizer, load_tokenizer
from gloze.tokenizers.byte_words import BYTE_LETTERS
from tests.tokenizers import reference, reference_bpe
from tests.tokenizers.small import TEXT
from tests.tokenizers.test_hard_texts import HARD

KINDS = {"bpe": 96, "byte_bpe": 330}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = st.lists(
    st.one_of(
        st.text(),
        st.text(alphabet=st.sampled_from("abcdestrlvm '\u00e9\u0301 \u4e2d12\u0663.,\n\t\0\u3000")),
    ),
    max_size=6,
)
LEARN = """
import sys
from gloze.tokenizers import TokenizerConfig, learn_tokenizer
texts = open(sys.argv[1], encoding="utf-8").read().split("\\n")
for kind, size in (("bpe", 300), ("byte_bpe", 500)):
    config = TokenizerConfig(kind=kind, vocab_size=size)
    print(learn_tokenizer(lambda: iter(texts), config).fingerprint)
"""


def learn(texts, **settings):
    return learn_tokenizer(lambda: iter(texts), TokenizerConfig(**settings))


@cache
def small(kind, cased=False):
    """A tokenizer of few tokens."""
    return learn(TEXT * 3, kind=kind, vocab_size=KINDS[kind], cased=cased)


def parts(tokenizer):
    """The tokens after the special ones, and the pairs that were joined."""
    tokens = tokenizer.tokens(range(tokenizer.vocab_size))
    return tokens[5:], [tuple(pair) for pair in tokenizer.definition["model"]["merges"]]


def test_pairs_are_joined_as_the_paper_joins_them():
    # The words of Sennrich et al. 2016, figure 1, with the mark of the end on the last letter:
    # e+s 9, es+t</w> 9, l+o 7; then e+w, n+e and w+est</w> are met 6 times.
    words = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
    text = " ".join(" ".join([word] * count) for word, count in words.items())
    tokenizer = learn([text], kind="bpe", vocab_size=5 + 20 + 4)
    _, merges = parts(tokenizer)
    assert merges == [("e", "s"), ("es", "t</w>"), ("l", "o"), ("e", "w")]


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(st.text(alphabet="abc", min_size=1, max_size=9), min_size=4, max_size=40),
    least=st.integers(1, 3),
)
def test_what_is_learned_and_cut_is_that_of_the_slow_reference(words, least):
    letters = sorted(set("".join(words)))
    counts = dict(Counter(words))
    fixed = [*SPECIAL, *letters, *(letter + "</w>" for letter in letters)]
    tokens, merges = reference_bpe.learn(counts, fixed, end="</w>", size=40, least=least)
    found = learn([" ".join(words)], kind="bpe", vocab_size=len(tokens), min_count=least)
    assert parts(found) == (tokens[5:], merges)
    for word in counts:
        expected = reference_bpe.encode(word, merges, "</w>")
        assert tuple(found.tokens(found.encode([word])[0])) == expected


def test_bytes_are_joined_as_the_slow_reference_joins_them():
    # Spaces go with the word after them: \u0120 is how GPT-2 writes theirs.
    text = "aa aba aa b aba ab. \u00e9a \u00e9a"
    letters = sorted(BYTE_LETTERS.values())
    words = Counter(
        ["aa", "\u0120aba", "\u0120aa", "\u0120b", "\u0120aba", "\u0120ab", ".",
         "\u0120\u00c3\u00a9a", "\u0120\u00c3\u00a9a"]
    )  # fmt: skip
    tokens, merges = reference_bpe.learn(
        dict(words), [*SPECIAL, *letters], end="", size=400, least=2
    )
    found = learn([text], kind="byte_bpe", vocab_size=len(tokens))
    assert parts(found) == (tokens[5:], merges)
    expected = [t for word in words.elements() for t in reference_bpe.encode(word, merges, "")]
    assert Counter(found.tokens(found.encode([text])[0])) == Counter(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_come_first_in_the_order_of_bert(kind):
    tokenizer = small(kind)
    assert tokenizer.tokens(range(5)) == SPECIAL
    assert tokenizer.special_ids == (0, 1, 2, 3, 4)
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id) == (0, 1, 2)
    assert (tokenizer.sep_id, tokenizer.mask_id) == (3, 4)


def test_letters_come_before_pairs_and_those_that_are_words_only_end_one():
    tokens, merges = parts(learn(["ab! ab!"] * 3, kind="bpe", vocab_size=11))
    assert tokens == ["a", "b", "!</w>", "a</w>", "b</w>", "ab</w>"]
    assert merges == [("a", "b</w>")]
    tokens, _ = parts(small("byte_bpe"))
    assert tokens[:256] == sorted(BYTE_LETTERS.values())


def test_any_number_of_threads_learns_the_same(tmp_path):
    chance = np.random.default_rng(0)
    words = ["".join(chance.choice(list("abcdefgh"), 6)) for _ in range(300)]
    lines = [" ".join(chance.choice(words, 30)) for _ in range(200)]
    (tmp_path / "text").write_text("\n".join(lines), encoding="utf-8")
    seen = set()
    for threads, parallel in (("1", "false"), ("2", "true"), ("5", "true")):
        env = {**os.environ, "RAYON_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": parallel}
        env["PYTHONHASHSEED"] = threads
        command = [sys.executable, "-c", LEARN, str(tmp_path / "text")]
        run = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        seen.add(run.stdout)
    assert len(seen) == 1


@pytest.mark.parametrize(("kind", "least"), [("bpe", 11), ("byte_bpe", 261)])
def test_the_size_is_reached_exactly_or_refused_with_one_that_works(kind, least):
    texts = ["abc abc ab"] * 3
    with pytest.raises(ConfigError, match=f"vocab_size 10 is too small.*--vocab-size {least} "):
        learn(texts, kind=kind, vocab_size=10)
    with pytest.raises(DataError, match=r"supports \d+ tokens, not the 900") as error:
        learn(texts, kind=kind, vocab_size=900)
    most = int(str(error.value).split("supports ")[1].split()[0])
    assert most > least
    for size in (least, most):
        assert learn(texts, kind=kind, vocab_size=size).vocab_size == size


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("texts", [[], [""], ["a" * 101]])
def test_a_corpus_without_words_is_refused(kind, texts):
    with pytest.raises(DataError, match="no words to learn from"):
        learn(texts, kind=kind, vocab_size=300)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "bpe", "split": "spaces"}, "split spaces is for whole words: bpe .* words"),
        ({"kind": "byte_bpe", "split": "jieba"}, "byte_bpe cuts text by a rule of its own"),
        ({"kind": "byte_bpe", "limit_alphabet": 9}, "byte_bpe has the 256 bytes"),
        ({"kind": "byte_bpe", "keep_accents": True}, "keeps capitals and accents"),
        ({"kind": "bpe", "vocab_size": 5}, "the 5 special tokens and a letter"),
        ({"kind": "bpe2"}, "Known: wordpiece, bpe, byte_bpe, words"),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        TokenizerConfig(**given)


def test_what_is_joined_and_covered_is_told(capsys):
    learn(["aab " * 8 + "z y"], kind="bpe", vocab_size=10, limit_alphabet=2)
    told = capsys.readouterr().err
    assert "1 pairs were joined, of 2 letters, which make up 92.31% of the text's." in told
    learn(["ab ab ab"], kind="byte_bpe", vocab_size=262)
    assert "1 pairs were joined, of the 256 bytes: no text is unknown." in capsys.readouterr().err


def test_a_letter_that_is_not_kept_is_unknown_by_itself():
    tokenizer = learn(["aab " * 8 + "z"], kind="bpe", vocab_size=9, limit_alphabet=2)
    ids, _ = tokenizer.encode(["azb zz"])
    assert tokenizer.tokens(ids) == ["a", "[UNK]", "b</w>", "[UNK]", "[UNK]"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cased", [False, True])
@settings(max_examples=200, deadline=None)
@given(texts=TEXTS)
def test_any_text_gets_the_ids_of_the_library(kind, cased, texts):
    tokenizer = small(kind, cased)
    assert tokenizer._fast is not None
    ids, lengths = tokenizer.encode(texts)
    expected = tokenizer._library.encode_batch(texts, add_special_tokens=False)
    assert lengths.tolist() == [len(encoding.ids) for encoding in expected]
    assert ids.tolist() == [i for encoding in expected for i in encoding.ids]


def test_every_character_of_the_first_plane_gets_the_ids_of_the_library():
    tokenizer = small("byte_bpe")
    codes = (code for code in range(0x10000) if not 0xD800 <= code < 0xE000)
    texts = [f"a{c} {c}1{c}.{c}" for c in map(chr, codes)]
    found = tokenizer._library.encode_batch_fast(texts, add_special_tokens=False)
    ids, lengths = tokenizer.encode(texts)
    assert np.array_equal(lengths, [len(each.ids) for each in found])
    assert ids.tolist() == [i for each in found for i in each.ids]


@settings(max_examples=300, deadline=None)
@given(text=st.text())
def test_bytes_come_back_as_they_were(text):
    tokenizer = small("byte_bpe")
    ids, _ = tokenizer.encode([text])
    assert tokenizer.decode(ids) == text
    assert tokenizer.unk_id not in ids


@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
def test_hard_texts_come_back_as_they_were(text):
    tokenizer = small("byte_bpe")
    assert tokenizer.decode(tokenizer.encode([text])[0]) == text


def test_letters_come_back_with_spaces_between_words():
    tokenizer = small("bpe")
    ids, _ = tokenizer.encode(["The  cat,  a dog"])
    assert tokenizer.decode(ids) == "the cat , a dog"
    assert tokenizer.decode([]) == ""


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="abcdeABC \u4e2d\u6587.,!?'[]()x1\t"))
def test_a_word_starts_where_bert_starts_one(text):
    tokenizer = small("bpe")
    ids, _ = tokenizer.encode([text])
    starts = tokenizer.word_starts(ids)
    tokens = np.array(tokenizer.tokens(ids), dtype=object)
    if tokenizer.unk_id in ids:
        return
    found = ["".join(part) for part in np.split(tokens, np.flatnonzero(starts)[1:])]
    expected = [f"{word}</w>" for word in reference.words(text, lower=True)]
    assert [word for word in found if word] == expected


def test_a_word_of_bytes_starts_after_a_space_of_any_kind():
    tokenizer = small("byte_bpe")
    texts = ["the cat's mat\tand\ndog", "", "cat"]
    ids, lengths = tokenizer.encode(texts)
    starts = np.flatnonzero(tokenizer.word_starts(ids, lengths))
    words = [tokenizer.decode(part) for part in np.split(ids, starts[1:])]
    assert words == ["the", " cat's", " mat", "\t", "and", "\n", "dog", "cat"]


@pytest.mark.parametrize("kind", KINDS)
def test_offsets_index_the_given_text(kind):
    text = "The  caf\u00e9 \u4e2d\u6587, \U0001f600 it's"
    tokenizer = small(kind)
    ids, lengths, offsets = tokenizer.encode_with_offsets([text, "", text])
    assert np.array_equal(ids, tokenizer.encode([text, "", text])[0])
    starts = tokenizer.word_starts(ids, lengths)[: lengths[0]]
    places = np.split(offsets[: lengths[0]], np.flatnonzero(starts)[1:])
    words = [text[part[0, 0] : part[-1, 1]] for part in places]
    expected = {
        "bpe": ["The", "caf\u00e9", "\u4e2d", "\u6587", ",", "\U0001f600", "it", "'", "s"],
        "byte_bpe": ["The", "", "caf\u00e9", "\u4e2d\u6587,", "\U0001f600", "it's"],
    }
    assert words == expected[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_words_given_as_such_are_those_of_the_joined_text(kind):
    tokenizer = small(kind)
    words = [["the", "cat", "sat"], [], ["dogs", "there"]]
    ids, lengths, places = tokenizer.encode_words(words)
    each = [tokenizer.encode([" ".join(text)])[0] for text in words]
    if kind == "bpe":
        assert ids.tolist() == np.concatenate(each).tolist()
        assert lengths.tolist() == list(map(len, each))
    assert sorted(set(places[: lengths[0]].tolist())) == [0, 1, 2]
    starts = tokenizer.word_starts(ids, lengths)
    assert starts.tolist() == [
        i == 0 or places[i] != places[i - 1] or i == lengths[0] for i in range(len(ids))
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_special_token_written_out_is_plain_text_unless_asked_for(kind):
    tokenizer = small(kind)
    ids, _ = tokenizer.encode(["a [MASK] b[SEP]"])
    assert not {*ids.tolist()} & {tokenizer.mask_id, tokenizer.sep_id}
    found = tokenizer.encode_with_specials("a [MASK] b[SEP]")
    assert [i for i in found if i in tokenizer.special_ids] == [tokenizer.mask_id, tokenizer.sep_id]


@pytest.mark.parametrize("kind", KINDS)
def test_the_bounds_of_the_word_table_do_not_change_ids(kind, monkeypatch):
    tokenizer = learn(TEXT * 3, kind=kind, vocab_size=KINDS[kind])
    texts = ["abc " * 40, "de " + "ab" * 5000, "the cat"]
    ids, _ = tokenizer.encode(texts)
    monkeypatch.setattr("gloze.tokenizers.words.MAX_CACHED_PIECES", 1)
    table = tokenizer._fast._index
    for text in texts:
        tokenizer.encode([text])
        assert tokenizer._fast._index is not table
        table = tokenizer._fast._index
    assert np.array_equal(ids, tokenizer.encode(texts)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_surrogate_pair_is_refused(kind):
    with pytest.raises(DataError, match=r"half of a surrogate pair \(U\+D800\)"):
        small(kind).encode(["a \ud800 b"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_tokenizer_is_the_same_here_and_in_transformers(kind, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer = small(kind, cased=True)
    tokenizer.save(tmp_path, max_length=128)
    texts = [*TEXT, *(text for text in HARD.values() if "[" not in text)]
    ids = tokenizer.encode(texts)[0].tolist()
    for path in (tmp_path, tmp_path / "tokenizer.json", tmp_path / "vocab.json"):
        again = load_tokenizer(path)
        assert again.fingerprint == tokenizer.fingerprint
        assert again.encode(texts)[0].tolist() == ids
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.fingerprint == tokenizer.fingerprint
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert [i for x in theirs(texts, add_special_tokens=False)["input_ids"] for i in x] == ids
    assert (theirs.mask_token_id, theirs.pad_token_id) == (tokenizer.mask_id, tokenizer.pad_id)
    whole = theirs("the cat", "a dog")["input_ids"]
    assert [whole[0], whole[-1]] == [tokenizer.cls_id, tokenizer.sep_id]


@pytest.mark.parametrize("kind", KINDS)
def test_the_settings_of_a_tokenizer_are_known_from_it(kind):
    found = config_of(small(kind))
    assert (found.kind, found.vocab_size) == (kind, KINDS[kind])
    assert found.cased == (kind == "byte_bpe")


def test_accents_may_be_kept_without_capitals():
    texts = ["Caf\u00e9 caf\u00e9"] * 3
    tokenizer = learn(texts, kind="bpe", vocab_size=13, keep_accents=True)
    assert tokenizer.decode(tokenizer.encode(texts[:1])[0]) == "caf\u00e9 caf\u00e9"
    assert config_of(tokenizer).keep_accents


def test_bytes_keep_capitals_and_accents_whatever_is_asked():
    assert TokenizerConfig(kind="byte_bpe").cased
    tokenizer = small("byte_bpe")
    assert tokenizer.is_cased
    assert tokenizer.fingerprint == small("byte_bpe", cased=True).fingerprint
