"""Segmenters: whose words they are, and where they begin among the tokens."""

import re
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gloze.core.errors import ConfigError, DataError, MissingExtraError
from gloze.tokenizers import Segmenter, load_segmenter, load_tokenizer
from gloze.tokenizers.segmenters import LongestMatch
from tests.tokenizers.small import small_tokenizer

CHINESE = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"我们在北京大学学习。生物",
    "new",
    "##ly",
)


@pytest.fixture(scope="module")
def chinese(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in dict.fromkeys(CHINESE)), encoding="utf-8")
    return load_tokenizer(path)


def words(tokenizer, text, cut):
    """The tokens of a text, a list for each word."""
    ids, lengths, starts = Segmenter("test", cut).encode([text], tokenizer)
    assert lengths.tolist() == [len(ids)]
    parts = np.split(tokenizer.tokens(ids), np.flatnonzero(starts)[1:])
    return ["".join(part) for part in parts]


def test_jieba_joins_the_characters_of_a_word(chinese):
    pytest.importorskip("rjieba")
    segmenter = load_segmenter("jieba")
    assert words(chinese, "我们在北京大学学习。", segmenter.cut) == [
        "我们",
        "在",
        "北京大学",
        "学习",
        "。",
    ]
    assert re.fullmatch(r"jieba \(rjieba \d+\.\d+\.\d+\)", segmenter.identity)


def test_a_word_list_is_matched_longest_first_from_the_left(chinese):
    cut = LongestMatch(["北京", "北京大学", "大学", "大学学"])
    assert cut("我在北京大学学习") == ["我", "在", "北京大学", "学", "习"]
    assert cut("大学学习") == ["大学学", "习"]
    assert cut("") == []
    assert words(chinese, "我在北京大学学习", cut) == ["我", "在", "北京大学", "学", "习"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("abc", min_size=1, max_size=4)), st.text("abcd", max_size=12))
def test_longest_match_is_the_rule_spelt_out(listed, text):
    place, expected = 0, []
    while place < len(text):
        fits = [w for w in listed if text.startswith(w, place)]
        expected.append(max(fits, key=len, default=text[place]))
        place += len(expected[-1])
    assert LongestMatch(listed)(text) == expected


def test_words_parted_by_spaces_are_words_and_the_spaces_are_no_tokens(chinese):
    cut = load_segmenter("spaces").cut
    assert words(chinese, " 我们  在 北京大学 ", cut) == ["我们", "在", "北京大学"]
    plain, _ = chinese.encode(["我们在北京大学"])
    spaced, _, _ = load_segmenter("spaces").encode(["我们 在 北京大学"], chinese)
    assert plain.tolist() == spaced.tolist()


def test_a_piece_that_goes_on_begins_no_word_whatever_the_segmenter_says(chinese):
    assert words(chinese, "newly生物", list) == ["new##ly", "生", "物"]


TEXTS = st.lists(st.text(alphabet="ab c中文,é\u0301\u200b'", max_size=20), max_size=5)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(1, 4))
@example(["e\u0301\u200b中"], 1)
def test_the_ids_are_those_without_a_segmenter_and_each_text_begins_a_word(texts, size):
    def cut(text):
        return [text[i : i + size] for i in range(0, len(text), size)]

    tokenizer = small_tokenizer()
    ids, lengths, starts = Segmenter("test", cut).encode(texts, tokenizer)
    plain, plain_lengths = tokenizer.encode(texts)
    assert ids.tolist() == plain.tolist()
    assert lengths.tolist() == plain_lengths.tolist()
    assert starts[(np.cumsum(lengths) - lengths)[lengths > 0]].all()
    # Every character a word: the words of the tokenizer. The whole text a word: one word.
    if size == 1:
        assert starts.tolist() == tokenizer.word_starts(ids, lengths).tolist()
    whole = Segmenter("test", lambda text: [text]).encode(texts, tokenizer)[2]
    assert np.count_nonzero(whole) == np.count_nonzero(lengths)


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (lambda text: text.upper().split(), r"gives 'AB' where the text goes on with 'ab cd'"),
        (lambda text: ["ab"], r"leaves ' cd' out"),
        (lambda text: [("ab", 0, 2)], r"gives \('ab', 0, 2\) where"),
        (lambda text: ["cd", "ab"], r"gives 'cd' where"),
        (lambda text: 1 / 0, r"fails on 'ab cd': division by zero"),
        (lambda text: 5, r"fails on 'ab cd': 'int' object is not iterable"),
    ],
)
def test_words_that_are_not_those_of_the_text_are_refused(cut, message):
    with pytest.raises(DataError, match=f"the segmenter test {message}"):
        Segmenter("test", cut).starts("ab cd")


def test_a_word_list_file_is_read_as_dictionaries_are(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("北京大学 100 nt\n\n学习\n", encoding="utf-8")
    segmenter = load_segmenter(path)
    assert segmenter.cut("北京大学学习") == ["北京大学", "学习"]
    assert re.fullmatch(r"words sha256:[0-9a-f]{64}", segmenter.identity)
    path.write_text("北京\n", encoding="utf-8")
    assert load_segmenter(path).identity != segmenter.identity


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"ok\n\xff\n", r"words\.txt:2: not UTF-8"), (b"\n \n", "a word list without a word")],
)
def test_a_word_list_that_cannot_be_used_is_refused(tmp_path, content, message):
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_segmenter(path)


def test_functions_are_found_by_module_and_name_or_given(tmp_path, monkeypatch):
    (tmp_path / "own_words.py").write_text("def cut(text):\n    return list(text)\nnumber = 5\n")
    (tmp_path / "broken_words.py").write_text("def cut(text:\n")
    (tmp_path / "failing_words.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/usr/lib"])
    assert load_segmenter("own_words:cut").cut("ab") == ["a", "b"]
    assert load_segmenter(str.split).identity.endswith(":str.split")
    for name, message in (
        ("own_words:none", "has no attribute 'none'"),
        ("own_words:number", "number is no function"),
        ("no_module_so:cut", "No module named"),
        (".own_words:cut", "--segmenter .own_words:cut: TypeError: .*relative import"),
        ("broken_words:cut", r"broken_words:cut: SyntaxError: .*\(broken_words.py, line 1\)"),
        ("failing_words:cut", "ZeroDivisionError: division by zero"),
        ("jeiba", "Unknown segmenter 'jeiba'"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_segmenter(name)


def test_without_jieba_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rjieba", None)
    with pytest.raises(MissingExtraError, match=r"--segmenter jieba needs rjieba.*gloze\[zh\]"):
        load_segmenter("jieba")
