"""What is learned depends on the corpus alone, and has exactly the size asked for."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
from collections import Counter

import pytest

from gloze.core.errors import ConfigError, DataError
from gloze.tokenizers import (
    TokenizerConfig,
    counting,
    learn_tokenizer,
    load_tokenizer,
    pieces,
)
from tests.tokenizers.small import TEXT, small_tokenizer

LEARN = """
import gzip, sys, hashlib
from gloze.tokenizers import TokenizerConfig, learn_tokenizer
lines = gzip.open(sys.argv[1], "rt", encoding="utf-8").read().split("\\n")
tokenizer = learn_tokenizer(lambda: iter(lines), TokenizerConfig(vocab_size=2000))
print(tokenizer.fingerprint)
assert "torch" not in sys.modules
"""


def learn(texts, **settings):
    return learn_tokenizer(lambda: iter(texts), TokenizerConfig(**settings))


def test_five_runs_with_any_number_of_threads_learn_the_same(shared_data):
    book = shared_data / "openstax" / "writing-guide.txt.gz"
    seen = set()
    for threads, parallel in (
        ("1", "true"),
        ("2", "true"),
        ("3", "true"),
        ("7", "true"),
        ("1", "false"),
    ):
        env = {**os.environ, "RAYON_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": parallel}
        env["PYTHONHASHSEED"] = threads
        run = subprocess.run(
            [sys.executable, "-c", LEARN, str(book)],
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(run.stdout)
    assert len(seen) == 1


def test_special_tokens_come_first_in_the_order_of_bert():
    tokenizer = small_tokenizer()
    assert tokenizer.tokens(range(5)) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert tokenizer.special_ids == (0, 1, 2, 3, 4)


def test_the_vocabulary_has_exactly_the_size_asked_for():
    for size in range(60, 97, 6):
        assert learn(TEXT * 3, vocab_size=size).vocab_size == size


def test_a_size_that_the_corpus_does_not_support_is_refused_with_the_one_it_does():
    with pytest.raises(
        DataError, match=r"supports (\d+) tokens, not the 5000.*--vocab-size"
    ) as error:
        learn(TEXT * 3, vocab_size=5000)
    most = int(str(error.value).split("supports ")[1].split()[0])
    assert learn(TEXT * 3, vocab_size=most).vocab_size == most
    with pytest.raises(DataError, match=f"supports {most} tokens"):
        learn(TEXT * 3, vocab_size=most + 1)


def test_a_size_below_the_letters_is_refused_with_the_least_that_works():
    with pytest.raises(ConfigError, match=r"vocab_size 20 is too small.*--vocab-size \d+") as error:
        learn(TEXT, vocab_size=20)
    least = int(str(error.value).split("--vocab-size ")[1].split()[0])
    assert learn(TEXT, vocab_size=least).vocab_size == least


@pytest.mark.parametrize("texts", [[], ["", "  \n\t"], ["a" * 101]])
def test_a_corpus_without_words_is_refused(texts):
    with pytest.raises(DataError, match="no words to learn from"):
        learn(texts, vocab_size=100)


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="vocab_size 5 has no room"):
        TokenizerConfig(vocab_size=5)
    with pytest.raises(ConfigError, match="limit_alphabet 0"):
        TokenizerConfig(limit_alphabet=0)
    with pytest.raises(ConfigError, match="'unigram'"):
        TokenizerConfig(kind="unigram")


def test_uncased_drops_capitals_and_accents_and_cased_keeps_both():
    uncased = {*small_tokenizer().tokens(range(95))}
    cased = {*small_tokenizer(cased=True).tokens(range(95))}
    assert "\u00e9" in cased
    assert "A" in cased
    assert not {token for token in uncased if token[0] != "[" and token != token.lower()}
    assert "\u00e9" not in uncased


def test_letters_that_are_always_words_have_no_form_inside_a_word():
    tokens = {*small_tokenizer().tokens(range(95))}
    assert {"!", "\u4e2d", "\u2014", "a", "##a"} <= tokens
    assert not {"##!", "##\u4e2d", "##\u2014"} & tokens


def test_the_most_frequent_letters_are_kept_ties_by_code_point():
    tokenizer = learn(["ccc bb dd a", "e"] * 2, vocab_size=11, limit_alphabet=3)
    assert tokenizer.tokens(range(5, 11)) == ["b", "c", "d", "##b", "##c", "##d"]


def test_by_default_rare_letters_go_once_the_text_is_covered(monkeypatch):
    monkeypatch.setattr(pieces, "USUAL_ALPHABET", 2)
    monkeypatch.setattr(pieces, "COVERED", 0.9)
    letters = pieces.kept_letters(Counter(a=80, b=8, c=5, d=4, e=3), TokenizerConfig())
    assert letters == ["a", "b", "c"]


def test_the_most_frequent_pair_is_joined_first():
    # "hug" 10, "pug" 5, "pun" 12, "bun" 4, "hugs" 5: u+g is in 20 words, u+n in 16, h+ug in 15.
    texts = [" ".join(["hug"] * 10 + ["pug"] * 5 + ["pun"] * 12 + ["bun"] * 4 + ["hugs"] * 5)]
    tokenizer = learn(texts, vocab_size=5 + 7 + 7 + 3)
    assert tokenizer.tokens(range(19, 22)) == ["##ug", "##un", "hug"]


def test_words_beyond_the_bound_are_forgotten_rarest_first():
    counts = counting.WordCounts(max_words=3)
    counts.add(["a"] * 3 + ["b"] * 2 + ["c", "d", "e"])
    assert len(counts.words) == 5
    counts.add(["f", "g"])
    assert counts.words == Counter(a=3, b=2)
    assert counts.told() == [
        "The corpus has over 3 different words: 5 times a rare one was dropped, and counts are "
        "short by 1 at most."
    ]


def test_words_too_long_for_pieces_are_counted_and_told(capsys):
    learn(["a b " * 3 + "x" * 101], vocab_size=9)
    assert "1 words of over 100 characters are not learned from" in capsys.readouterr().err


def test_counts_are_scaled_down_beyond_the_bound(monkeypatch):
    monkeypatch.setattr(pieces, "MAX_FED_WORDS", 10)
    fed = " ".join(pieces.repeated(Counter(ab=30, b=9, cx=1), frozenset("abcx"))).split()
    assert Counter(fed) == Counter(ab=7, b=2)


def test_words_are_fed_as_often_as_counted(monkeypatch):
    counts = Counter(ab=20000, b=9, cx=1, z=4)
    lines = list(pieces.repeated(counts, frozenset("abcx")))
    assert Counter(" ".join(lines).split()) == Counter(ab=20000, b=9, cx=1)
    assert max(len(line.split()) for line in lines) <= 8192


def test_the_saved_folder_gives_the_same_ids_here_and_in_transformers(tmp_path, shared_data):
    transformers = pytest.importorskip("transformers")
    with gzip.open(
        shared_data / "eltec-french" / "eltec-french.txt.gz", "rt", encoding="utf-8"
    ) as file:
        texts = file.read().split("\n")[:2000]
    for cased in (False, True):
        tokenizer = learn(texts, vocab_size=3000, cased=cased)
        folder = tmp_path / str(cased)
        tokenizer.save(folder, max_length=128)
        ids = tokenizer.encode(texts)[0].tolist()
        for path in (folder, folder / "tokenizer.json", folder / "vocab.txt"):
            again = load_tokenizer(path)
            assert again.fingerprint == tokenizer.fingerprint
            assert again.encode(texts)[0].tolist() == ids
        theirs = transformers.AutoTokenizer.from_pretrained(folder)
        encoded = theirs(texts, add_special_tokens=False)["input_ids"]
        assert [i for x in encoded for i in x] == ids
        assert theirs.model_max_length == 128
        both = theirs("un mot", "deux mots")
        assert theirs.convert_ids_to_tokens(both["input_ids"])[0] == "[CLS]"
        assert theirs.convert_ids_to_tokens(both["input_ids"])[-1] == "[SEP]"
        assert (theirs.mask_token_id, theirs.pad_token_id) == (tokenizer.mask_id, tokenizer.pad_id)


def test_saving_twice_writes_the_same_bytes(tmp_path):
    digests = set()
    for name in ("one", "two"):
        small_tokenizer().save(tmp_path / name)
        files = sorted((tmp_path / name).iterdir())
        digests.add(hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest())
    assert len(digests) == 1
