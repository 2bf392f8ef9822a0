"""Tokenizers made elsewhere load as they are; broken and hostile ones are refused."""

from __future__ import annotations

import copy
import json
import random

import numpy as np
import pytest
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, pre_tokenizers, trainers

from gloze.core.errors import ConfigError, DataError, GlozeError
from gloze.tokenizers import load_tokenizer
from tests.tokenizers.small import TEXT, small_tokenizer

NAMES = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


@pytest.fixture(scope="module")
def definition(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    small_tokenizer().save(folder)
    return json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))


def load(definition, folder):
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(definition), encoding="utf-8")
    return load_tokenizer(path)


def vocab_file(folder, text):
    path = folder / "vocab.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def change(definition, **changes):
    changed = copy.deepcopy(definition)
    for dotted, value in changes.items():
        *way, last = dotted.split("__")
        target = changed
        for step in way:
            target = target[step]
        target[last] = value
    return changed


SPECIAL = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"


def test_a_vocabulary_file_numbers_its_lines(tmp_path):
    tokenizer = load_tokenizer(vocab_file(tmp_path, SPECIAL + "a\nb\n##c"))
    assert tokenizer.tokens(range(8)) == [*SPECIAL.split(), "a", "b", "##c"]
    assert tokenizer.token_id("##c") == 7
    assert tokenizer.token_id("d") is None


def test_windows_line_ends_and_a_byte_order_mark_are_no_part_of_tokens(tmp_path):
    text = "\ufeff" + SPECIAL.replace("\n", "\r\n") + "a\r\n"
    assert load_tokenizer(vocab_file(tmp_path, text)).tokens([0, 5]) == ["[PAD]", "a"]


def test_capitals_are_kept_if_the_vocabulary_has_any_or_settings_say_so(tmp_path):
    path = vocab_file(tmp_path, SPECIAL + "a\n##b\n")
    assert not load_tokenizer(path).is_cased
    assert load_tokenizer(path, cased=True).is_cased
    assert load_tokenizer(vocab_file(tmp_path, SPECIAL + "a\n##B\n")).is_cased
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": true}', encoding="utf-8")
    assert not load_tokenizer(path).is_cased
    assert not load_tokenizer(tmp_path).is_cased


def test_a_definition_says_itself_whether_capitals_are_kept(tmp_path, definition):
    load(definition, tmp_path)
    with pytest.raises(ConfigError, match="says itself"):
        load_tokenizer(tmp_path, cased=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty vocabulary"),
        (SPECIAL + "a\n\nb\n", ":7: an empty line"),
        (SPECIAL + "a\nb\na\n", ":8: 'a' is here twice, first in line 6"),
        (b"\xff\xfe" + SPECIAL.encode(), "not UTF-8 at byte 0"),
        ("[PAD]\n[CLS]\n[SEP]\na\n", r"no \[UNK\] \(unk\), \[MASK\] \(mask\)"),
    ],
)
def test_a_broken_vocabulary_file_is_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        load_tokenizer(vocab_file(tmp_path, text))


ADDED = {"[E1]": 8, "newword": 7, "two Words": 9}
FLAGS = {"lstrip": False, "rstrip": False, "single_word": True, "normalized": False}


@pytest.mark.parametrize("told", [{}, {"8": {"content": "[E1]", "special": False, **FLAGS}}])
def test_tokens_added_beside_a_vocabulary_file_get_the_ids_of_transformers(tmp_path, told):
    transformers = pytest.importorskip("transformers")
    vocab_file(tmp_path, SPECIAL + "a\n##b\n")
    (tmp_path / "added_tokens.json").write_text(json.dumps(ADDED), encoding="utf-8")
    plain = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": True}
    others = {str(i): {"content": t, "special": False, **plain} for t, i in ADDED.items()}
    settings = {"do_lower_case": True, "added_tokens_decoder": {**others, **told}} if told else {}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    ours = load_tokenizer(tmp_path)
    theirs = transformers.BertTokenizer.from_pretrained(tmp_path)
    assert (ours.vocab_size, ours.tokens([7, 8, 9])) == (10, ["newword", "[E1]", "two Words"])
    for text in ("ab [E1] a", "ab[e1] NewWord", "two words anewworda", "two W\u00f6rds", "[E1]"):
        expected = theirs.encode(text, add_special_tokens=False)
        assert ours.encode([text])[0].tolist() == expected, text


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (
            {"x": 8},
            r"added_tokens.json: 'x' has the id 8, expected 7: .* after the 7 of vocab\.txt",
        ),
        ({"x": 7, "y": 7}, "'y' has the id 7, expected 8"),
        ({"x": "7"}, "'x' has the id '7', expected 7"),
        ({"x": True}, "'x' has the id True"),
        ({"a": 7}, "'a' is in vocab.txt already"),
        ({"": 7}, "an added token without text"),
        ({"\ud800": 7}, "not a usable vocabulary"),
        ([], "not a JSON object"),
    ],
)
def test_added_tokens_that_do_not_fit_their_vocabulary_are_refused_by_name(
    tmp_path, added, message
):
    vocab_file(tmp_path, SPECIAL + "a\n##b\n")
    (tmp_path / "added_tokens.json").write_text(json.dumps(added), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_tokenizer(tmp_path)


def test_special_tokens_listed_again_beside_a_vocabulary_file_change_nothing(tmp_path):
    before = load_tokenizer(vocab_file(tmp_path, SPECIAL + "a\n##b\n"))
    (tmp_path / "added_tokens.json").write_text('{"[MASK]": 4}', encoding="utf-8")
    assert load_tokenizer(tmp_path).fingerprint == before.fingerprint


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no such tokenizer.*gloze tokenizer"):
        load_tokenizer(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no tokenizer.json or vocab.txt in this folder"):
        load_tokenizer(tmp_path)


def test_padding_and_truncation_are_dropped(tmp_path, definition):
    hostile = change(
        definition,
        padding={
            "strategy": {"Fixed": 2_000_000_000},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
        truncation={"max_length": 1, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
    )
    tokenizer = load(hostile, tmp_path)
    assert tokenizer.encode(["the cat"])[1].tolist() == [2]
    assert (
        tokenizer.encode_with_specials("the cat").tolist()
        == tokenizer.encode(["the cat"])[0].tolist()
    )
    tokenizer.save(tmp_path / "again")
    saved = json.loads((tmp_path / "again" / "tokenizer.json").read_text(encoding="utf-8"))
    assert saved["padding"] is saved["truncation"] is None


HOSTILE = {
    "no model": {"model": None},
    "empty vocabulary": {"model__vocab": {}},
    "vocabulary of lists": {"model__vocab": [[1], 2]},
    "ids with holes": {"model__vocab__the": 10**12},
    "negative id": {"model__vocab__the": -1},
    "id that is text": {"model__vocab__the": "7"},
    "id that is true": {"model__vocab__the": True},
    "two tokens with one id": {"model__vocab__the": 6},
    "endless words": {"model__max_input_chars_per_word": 10**9},
    "words of no letter": {"model__max_input_chars_per_word": 0},
    "unknown kind": {"model__type": "Oracle"},
    "unknown token elsewhere": {"model__unk_token": "nowhere"},
    "added token without text": {"added_tokens": [{"id": 0}]},
    "added token of nothing": {"added_tokens": [{"id": 0, "content": ""}]},
    "added tokens of no list": {"added_tokens": 7},
    "added token out of range": {
        "added_tokens": [
            {"id": 10**6, "content": "x y", "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": True}
        ]
    },
    "broken pattern": {"pre_tokenizer": {
        "type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": False}},
    "unknown normalizer": {"normalizer": {"type": "Nowhere"}},
    "cut to nothing": {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
}  # fmt: skip


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_definition_is_refused(tmp_path, definition, changes):
    with pytest.raises(DataError, match=r"tokenizer.json"):
        load(change(definition, **changes), tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "null", '{"model": NaN}', "[" * 100_000, "{}", '{"model": {}}']
)
def test_a_file_that_defines_nothing_is_refused(tmp_path, text):
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"tokenizer.json"):
        load_tokenizer(tmp_path)


def test_a_file_of_random_faults_is_refused_or_loads_whole(tmp_path, definition):
    text = json.dumps(definition).encode()
    chance = random.Random(0)
    for _ in range(150):
        cut = bytearray(text[: chance.randrange(1, len(text))] if chance.random() < 0.3 else text)
        for _ in range(chance.randrange(1, 4)):
            cut[chance.randrange(len(cut))] ^= 1 << chance.randrange(8)
        (tmp_path / "tokenizer.json").write_bytes(cut)
        try:
            tokenizer = load_tokenizer(tmp_path)
        except GlozeError:
            continue
        ids, _ = tokenizer.encode(TEXT)
        assert ids.min() >= 0
        assert ids.max() < tokenizer.vocab_size


def library_tokenizer(model, pre_tokenizer, trainer):
    library = Library(model)
    library.pre_tokenizer = pre_tokenizer
    library.train_from_iterator(list(TEXT) * 5, trainer)
    return library


def byte_level():
    library = library_tokenizer(
        models.BPE(unk_token="<unk>"),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        trainers.BpeTrainer(vocab_size=330, special_tokens=NAMES, show_progress=False,
                            initial_alphabet=pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    library.decoder = decoders.ByteLevel()
    return library


def unigram():
    return library_tokenizer(
        models.Unigram(),
        pre_tokenizers.Metaspace(),
        trainers.UnigramTrainer(vocab_size=90, special_tokens=NAMES, unk_token="<unk>",
                                show_progress=False),
    )  # fmt: skip


def end_marked():
    return library_tokenizer(
        models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"),
        pre_tokenizers.BertPreTokenizer(),
        trainers.BpeTrainer(vocab_size=120, special_tokens=NAMES, show_progress=False,
                            end_of_word_suffix="</w>"),
    )  # fmt: skip


def whole_words():
    return library_tokenizer(
        models.WordLevel(unk_token="<unk>"),
        pre_tokenizers.BertPreTokenizer(),
        trainers.WordLevelTrainer(special_tokens=NAMES, show_progress=False),
    )


@pytest.mark.parametrize("make", [byte_level, unigram, end_marked, whole_words])
def test_another_kind_of_model_loads_as_it_is_with_its_word_starts(tmp_path, make):
    library = make()
    library.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.special_tokens.mask == "<mask>"
    texts = ["the cat sat on the mat", "the dog", ""]
    ids, lengths = tokenizer.encode(texts)
    each = [library.encode(text, add_special_tokens=False) for text in texts]
    assert ids.tolist() == [i for encoding in each for i in encoding.ids]
    assert lengths.tolist() == [len(encoding.ids) for encoding in each]
    expected = []
    for encoding in each:
        words = encoding.word_ids
        expected += [i == 0 or words[i] != words[i - 1] for i in range(len(words))]
    assert tokenizer.word_starts(ids, lengths).tolist() == expected
    assert not {*ids.tolist()} & {tokenizer.mask_id, tokenizer.pad_id}
    assert tokenizer.mask_id in tokenizer.encode_with_specials("the <mask> sat")


def test_special_tokens_of_other_names_are_read_beside_the_file(tmp_path, definition):
    text = json.dumps(definition).replace("[MASK]", "[BLANK]")
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"no \[MASK\] \(mask\)"):
        load_tokenizer(tmp_path)
    named = {"mask_token": {"content": "[BLANK]"}}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(named), encoding="utf-8")
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.tokens([tokenizer.mask_id]) == ["[BLANK]"]
    assert tokenizer.mask_id in tokenizer.encode_with_specials("the [BLANK] sat")


def test_the_fingerprint_tells_what_cuts_text_otherwise(tmp_path, definition):
    one = load(definition, tmp_path)
    other = load(change(definition, normalizer__lowercase=False), tmp_path)
    template = load(change(definition, post_processor=None), tmp_path)
    assert one.fingerprint == small_tokenizer().fingerprint == template.fingerprint
    assert one.fingerprint != other.fingerprint


def test_words_start_at_sentences_whatever_the_token(tmp_path):
    byte_level().save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path)
    ids, lengths = tokenizer.encode(["the", "", "cat"])
    starts = tokenizer.word_starts(ids, lengths)
    assert starts[np.cumsum(lengths)[:1]].all()
    assert starts.sum() == 2
