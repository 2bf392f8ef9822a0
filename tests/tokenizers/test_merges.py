"""The tokenizers of GPT and GPT-2, as transformers has them, load as they are; others do not."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.errors import ConfigError, DataError
from gloze.tokenizers import SpecialTokens, TokenizerConfig, learn_tokenizer, load_tokenizer
from gloze.tokenizers.byte_words import BYTE_LETTERS
from tests.tokenizers.small import TEXT
from tests.tokenizers.test_encode import corpora
from tests.tokenizers.test_hard_texts import HARD

transformers = pytest.importorskip("transformers")

END_OF_TEXT = "<|endoftext|>"
SIZES = {"gpt": 96, "gpt2": 320}


@cache
def theirs(name):
    """A tokenizer of transformers, its vocabulary, and its pairs."""
    kind = {"gpt": "bpe", "gpt2": "byte_bpe"}[name]
    config = TokenizerConfig(kind=kind, vocab_size=SIZES[name])
    learned = learn_tokenizer(lambda: iter(TEXT * 3), config)
    tokens = learned.tokens(range(5, learned.vocab_size))
    # The one special token is the first of GPT, and the last of GPT-2.
    tokens = ["<unk>", *tokens] if name == "gpt" else [*tokens, END_OF_TEXT]
    vocab = {token: number for number, token in enumerate(tokens)}
    pairs = [tuple(pair) for pair in learned.definition["model"]["merges"]]
    made = {"gpt": transformers.OpenAIGPTTokenizer, "gpt2": transformers.GPT2Tokenizer}[name]
    return made(vocab=vocab, merges=pairs), vocab, pairs


def write(folder, vocab, pairs, version="#version: 0.2\n"):
    """Write the two files of a vocabulary as they are distributed."""
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    text = version + "".join(f"{first} {second}\n" for first, second in pairs)
    (folder / "merges.txt").write_text(text, encoding="utf-8")
    return folder


def saved(folder, name, way):
    """Save the tokenizer of transformers in one of the ways there are."""
    tokenizer, vocab, pairs = theirs(name)
    if way == "tokenizer.json":
        tokenizer.save_pretrained(folder)
    else:
        write(folder, vocab, pairs)
    return folder


WAYS = ["tokenizer.json", "vocab.json"]


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("way", WAYS)
def test_texts_get_the_ids_of_transformers(name, way, tmp_path):
    tokenizer, _, _ = theirs(name)
    for path in (saved(tmp_path, name, way), tmp_path / way):
        ours = load_tokenizer(path)
        assert ours.vocab_size == len(tokenizer)
        for text in (*HARD.values(), *TEXT, " the cat", "it's  we'll\n\n the", "x" * 300):
            expected = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert ours.encode([text])[0].tolist() == expected, text


@pytest.mark.parametrize("name", SIZES)
def test_any_text_gets_the_ids_of_transformers(name, tmp_path_factory):
    tokenizer, _, _ = theirs(name)
    ours = load_tokenizer(saved(tmp_path_factory.mktemp(name), name, "vocab.json"))

    @settings(max_examples=200, deadline=None)
    @given(text=st.text())
    def check(text):
        expected = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert ours.encode([text])[0].tolist() == expected
        assert ours.decode(expected) == tokenizer.decode(expected)

    check()


@pytest.mark.parametrize("name", SIZES)
def test_each_way_of_saving_gives_the_same_tokenizer(name, tmp_path):
    found = set()
    for way in WAYS:
        (tmp_path / way).mkdir()
        ours = load_tokenizer(saved(tmp_path / way, name, way))
        found.add(ours.fingerprint)
        ours.save(tmp_path / way / "again")
        for file in ("", "tokenizer.json", "vocab.json"):
            again = load_tokenizer(tmp_path / way / "again" / file)
            assert again.special_tokens == ours.special_tokens
            found.add(again.fingerprint)
        back = transformers.AutoTokenizer.from_pretrained(tmp_path / way / "again")
        tokenizer, _, _ = theirs(name)
        assert back("The cats, it's")["input_ids"] == tokenizer("The cats, it's")["input_ids"]
        assert back.eos_token == tokenizer.eos_token
        assert back.unk_token == tokenizer.unk_token
    assert len(found) == 1


@pytest.mark.parametrize("way", WAYS)
def test_the_end_of_text_of_gpt2_serves_for_all_but_a_blank(way, tmp_path):
    ours = load_tokenizer(saved(tmp_path, "gpt2", way))
    end = ours.token_id(END_OF_TEXT)
    assert ours.special_ids == (end,)
    assert [ours.pad_id, ours.unk_id, ours.cls_id, ours.sep_id] == [end] * 4
    assert ours.special_tokens.all == (END_OF_TEXT,)
    with pytest.raises(
        ConfigError, match=r"no token for a blank: .* are <.endoftext.>\. .*mask_token"
    ):
        _ = ours.mask_id
    assert end not in ours.encode([f"a {END_OF_TEXT} b"])[0]
    assert ours.encode_with_specials(f"a {END_OF_TEXT}").tolist()[-1] == end
    ids, lengths = ours.encode(["the", "cat"])
    ids = np.insert(ids, np.cumsum(lengths), end)
    assert ours.word_starts(ids)[np.flatnonzero(ids == end)].all()


@pytest.mark.parametrize("way", WAYS)
def test_gpt_has_the_unknown_token_alone(way, tmp_path):
    ours = load_tokenizer(saved(tmp_path, "gpt", way))
    assert ours.special_tokens == SpecialTokens("", "<unk>", "", "", "")
    assert (ours.unk_id, ours.special_ids) == (0, (0,))
    for role, use in (
        ("pad", "filling up"),
        ("cls", "the start of a sequence"),
        ("sep", "the end of a sequence"),
        ("mask", "a blank"),
    ):
        with pytest.raises(ConfigError, match=f"no token for {use}.*as {role}_token in its"):
            getattr(ours, f"{role}_id")
    ids, _ = ours.encode(["the \u263a cat <unk>"])
    assert ours.tokens(ids)[:3] == ["the</w>", "<unk>", "cat</w>"]
    assert ours.word_starts(ids)[:3].all()


def test_tokens_that_fine_tuning_added_serve_where_settings_name_them(tmp_path):
    _, vocab, pairs = theirs("gpt")
    write(tmp_path, vocab, pairs)
    first = len(vocab)
    added = {"_start_": first, "_delimiter_": first + 1, "_classify_": first + 2}
    (tmp_path / "added_tokens.json").write_text(json.dumps(added), encoding="utf-8")
    named = {"cls_token": "_start_", "sep_token": {"content": "_delimiter_"}, "pad_token": None}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(named), encoding="utf-8")
    ours = load_tokenizer(tmp_path)
    assert (ours.cls_id, ours.sep_id, ours.vocab_size) == (first, first + 1, first + 3)
    assert ours.special_ids == (0, first, first + 1)
    assert ours.encode_with_specials("the_start_").tolist() == [vocab["the</w>"], first]
    with pytest.raises(ConfigError, match="no token for filling up"):
        _ = ours.pad_id


def test_the_files_of_roberta_load_with_its_special_tokens(tmp_path):
    _, vocab, pairs = theirs("gpt2")
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokens = [*special, *(token for token in vocab if token != END_OF_TEXT), "<mask>"]
    vocab = {token: number for number, token in enumerate(tokens)}
    ours = load_tokenizer(write(tmp_path, vocab, pairs))
    assert (ours.cls_id, ours.pad_id, ours.sep_id, ours.unk_id) == (0, 1, 2, 3)
    assert ours.mask_id == len(tokens) - 1
    other = transformers.RobertaTokenizer(vocab=vocab, merges=pairs)
    for text in HARD.values():
        if "[" not in text:
            expected = other(text, add_special_tokens=False)["input_ids"]
            assert ours.encode([text])[0].tolist() == expected


GPT, PAIRS = {"<unk>": 0, "a": 1, "b</w>": 2, "ab</w>": 3, "a</w>": 4}, "a b</w>\n"
BROKEN = {
    "pairs of three": ("a b c\n", r"merges.txt:1: 'a b c' is no pair of tokens"),
    "a pair of one": ("#version: 0.2\na b</w>\nab\n", r"merges.txt:3: 'ab' is no pair"),
    "an unknown token": ("a c</w>\n", r"merges.txt:1: 'c</w>' is not in vocab.json"),
    "an unknown result": ("a a</w>\n", r"merges.txt:1: 'aa</w>' is not in vocab.json"),
    "an empty line": ("\na b</w>\n", r"merges.txt:1: an empty line among the pairs"),
    "no text": (b"\xff\xfe", r"merges.txt.*not UTF-8 at byte 0"),
}


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_pairs_are_refused_with_their_line(tmp_path, text, message):
    (tmp_path / "vocab.json").write_text(json.dumps(GPT), encoding="utf-8")
    (tmp_path / "merges.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("vocab", "message"),
    [
        ({}, "vocab.json: an empty vocabulary"),
        ([], "vocab.json: not a JSON object"),
        ({**GPT, "c": 9}, "vocab.json: the ids of its 6 tokens are not 0 to 5"),
        ({**GPT, "c": "5"}, "vocab.json: the ids of its 6 tokens"),
        ({**GPT, "c": True}, "vocab.json: the ids of its 6 tokens"),
        ({"a": 0, "b</w>": 1, "ab</w>": 2}, r"vocab.json: the vocabulary has no <unk> \(unk\)"),
        ({**GPT, "\ud800": 5}, "vocab.json: not a usable vocabulary"),
        (
            {t: i for i, t in enumerate([*GPT, *sorted(set(BYTE_LETTERS.values()) - {"a"})])},
            "vocab.json: its tokens are written neither as those of GPT nor of GPT-2",
        ),
    ],
)
def test_a_broken_vocabulary_is_refused_by_name(tmp_path, vocab, message):
    (tmp_path / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (tmp_path / "merges.txt").write_text(PAIRS, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"tokenizer_class": "CLIPTokenizer"}, "cut by CLIPTokenizer.*tokenizer.json"),
        ({"tokenizer_class": 7}, "cut by 7"),
        ({"tokenizer_class": "GPT2Tokenizer"}, "neither as those of GPT nor of GPT-2"),
        ({"mask_token": "[MASK]"}, r"the vocabulary has no \[MASK\] \(mask\)"),
    ],
)
def test_what_the_files_do_not_tell_is_not_guessed(tmp_path, told, message):
    (tmp_path / "vocab.json").write_text(json.dumps(GPT), encoding="utf-8")
    (tmp_path / "merges.txt").write_text(PAIRS, encoding="utf-8")
    assert load_tokenizer(tmp_path).encode(["AB a"])[0].tolist() == [3, 4]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_tokenizer(tmp_path)


def test_a_vocabulary_without_its_pairs_is_refused(tmp_path):
    (tmp_path / "vocab.json").write_text(json.dumps(GPT), encoding="utf-8")
    with pytest.raises(DataError, match=r"vocab.json: no merges.txt beside it"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    "model",
    [
        {"merges": [["a", "nowhere"]]},
        {"merges": [["a"]]},
        {"merges": [["a", "b", "c"]]},
        {"merges": ["a b c"]},
        {"merges": 7},
        {"unk_token": "nowhere"},
        {"vocab": {"a": 0}, "merges": [], "unk_token": None},
        {"end_of_word_suffix": 7},
    ],
)
@pytest.mark.parametrize("name", SIZES)
def test_a_hostile_definition_is_refused(tmp_path, name, model):
    saved(tmp_path, name, "tokenizer.json")
    path = tmp_path / "tokenizer.json"
    definition = json.loads(path.read_text(encoding="utf-8"))
    definition["model"] |= model
    if "vocab" in model:
        definition["added_tokens"] = []
    path.write_text(json.dumps(definition), encoding="utf-8")
    with pytest.raises(DataError, match=r"tokenizer.json: "):
        load_tokenizer(path)


def test_dropout_is_left_out_and_absent_decoders_are_made_good(tmp_path):
    for name in SIZES:
        saved(tmp_path, name, "tokenizer.json")
        path = tmp_path / "tokenizer.json"
        definition = json.loads(path.read_text(encoding="utf-8"))
        definition["model"]["dropout"], definition["decoder"] = 0.9, None
        path.write_text(json.dumps(definition), encoding="utf-8")
        ours = load_tokenizer(path)
        ids = theirs(name)[0]("the cat")["input_ids"]
        assert all(ours.encode(["the cat"])[0].tolist() == ids for _ in range(20))
        assert ours.decode(ids) == "the cat"


def test_pairs_that_are_written_as_one_text_are_saved_as_pairs(tmp_path):
    saved(tmp_path, "gpt2", "tokenizer.json")
    path = tmp_path / "tokenizer.json"
    definition = json.loads(path.read_text(encoding="utf-8"))
    pairs = [" ".join(pair) for pair in definition["model"]["merges"]]
    definition["model"]["merges"] = pairs
    path.write_text(json.dumps(definition), encoding="utf-8")
    load_tokenizer(path).save(tmp_path / "again")
    lines = (tmp_path / "again" / "merges.txt").read_text(encoding="utf-8").split("\n")
    assert lines == ["#version: 0.2", *pairs, ""]


@pytest.fixture(scope="module")
def released(shared_data, tmp_path_factory):
    """The folder of GPT-2's own vocabulary: bytes, what each pair makes, and the end of text."""
    text = (shared_data / "vocab" / "gpt2-merges.txt").read_text(encoding="utf-8")
    pairs = [tuple(line.split(" ")) for line in text.split("\n")[1:] if line]
    tokens = [*sorted(BYTE_LETTERS.values()), *map("".join, pairs), END_OF_TEXT]
    vocab = {token: number for number, token in enumerate(tokens)}
    return write(tmp_path_factory.mktemp("gpt2"), vocab, pairs)


def test_the_released_gpt2_gives_its_known_ids(released):
    ours = load_tokenizer(released)
    assert (ours.vocab_size, ours.sep_id) == (50257, 50256)
    assert ours.encode(["Hello world"])[0].tolist() == [15496, 995]
    assert ours.encode([" Hello world"])[0].tolist() == [18435, 995]


def test_the_released_gpt2_gives_the_ids_of_transformers_on_real_text(released, shared_data):
    ours, other = load_tokenizer(released), transformers.GPT2Tokenizer.from_pretrained(released)
    texts = [*HARD.values(), *(text[:2000] for text in corpora(shared_data)[::6])]
    expected = other(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
    ids, lengths = ours.encode(texts)
    assert lengths.tolist() == [len(each) for each in expected]
    assert ids.tolist() == [i for each in expected for i in each]
    ends = np.cumsum(lengths)[:-1]
    assert [ours.decode(each) for each in np.split(ids, ends)] == texts
