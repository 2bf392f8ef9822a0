"""Texts that are hard to cut: the ids of transformers and of the slow reference, or a refusal."""

# ruff: noqa: RUF001

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from gloze.core.errors import DataError
from gloze.tokenizers import load_tokenizer
from tests.tokenizers import reference

HARD = {
    "accents composed": "Café naïve Ångström Łódź Ærøskøbing ÇA Ñandú",
    "accents apart": "Cafe\u0301 nai\u0308ve A\u030angstro\u0308m n\u0303 q\u0307\u0323",
    "many marks on one letter": "z" + "\u0301\u0323\u0308" * 40 + " after",
    "only marks": "\u0301\u0302 \u0300",
    "letters with odd small forms": "İstanbul ẞ ß ﬁne ﬂ ǅ Σίσυφος ΑΣ ſ K Å",
    "chinese": "我爱北京天安门。中文和English混合,2023年!",
    "chinese beyond the first plane": "𠀀𠮷野家 \U0002a700\U0002b820 \uf900\U0002f800",
    "japanese, korean": "東京タワーへ行きたい。ヴァイオリン 한국어 \u1112\u1161\u11ab ｶﾀｶﾅ",
    "fullwidth": "ＡＢＣ１２３！？　全角",
    "emoji": "I ❤️ you 😀👍🏽 ☃",
    "emoji joined": "👨‍👩‍👧‍👦 👩🏾‍💻 🏳️‍🌈 🇩🇪🇫🇷 1️⃣",
    "control characters": "a\x00b\x01c\x1bd\x7fe\x80f\x9fg\x0bh\x0ci\x85j",
    "replacement and private": "a\ufffdb\ue000c\U000f0000d\ufffee",
    "format characters": "a\u200bb\u200cc\u200dd\ufeffe\u00adf\u2060g\u061ch",
    "tabs and line ends": "a\tb\r\nc\rd\n\ne",
    "spaces of all kinds": "a\u00a0b\u1680c\u2003d\u2028e\u2029f\u202fg\u205fh\u3000i",
    "right to left": "שלום עולם! مرحبا بالعالم، كيف حالك؟ \u202eabc\u202c",
    "pointed": "בְּרֵאשִׁית بِسْمِ اللَّهِ",
    "indic and thai": "नमस्ते दुनिया สวัสดีชาวโลก தமிழ் বাংলা",
    "100 characters": "a" * 100 + " " + "b" * 99 + " " + "我" * 100,
    "over 100 characters": "a" * 101 + " b " + "Donaudampfschifffahrtsgesellschaft" * 4,
    "100 of letters and marks": "e\u0301" * 100 + " x",
    "punctuation": "...!?--—–“”‘’«»…¡¿§¶†‡•‰′″€£¥$^`~|<>=+@#%&*_\\/",
    "digits": "3.14159 1,000,000 ½ ² ٣ ४ Ⅷ ⑩ 1e-10",
    "symbols": "© ® ™ ° ± × ÷ ∞ ≠ ∑ √ ← → ■ ♫ ✓",
    "addresses": "mail me@example.com or see https://example.com/a?b=c#d",
    "special tokens written out": "a [MASK] b [CLS][SEP] [UNK] [PAD] ##ing [unused1]",
    "nothing": "",
    "nothing but space": " \t\n\u3000 ",
}
_SET = list(HARD.values())


@cache
def both(path):
    """Our tokenizer and theirs."""
    transformers = pytest.importorskip("transformers")
    ours = load_tokenizer(path)
    return ours, transformers.BertTokenizerFast(vocab=str(path), do_lower_case=not ours.is_cased)


@pytest.fixture(params=["uncased", "cased", "chinese"])
def vocab(request, shared_data):
    return shared_data / "vocab" / f"bert-base-{request.param}-vocab.txt"


@pytest.mark.parametrize("text", _SET, ids=list(HARD))
def test_a_hard_text_gets_the_ids_of_transformers(vocab, text):
    tokenizer, theirs = both(vocab)
    given = text.translate(dict.fromkeys(map(ord, "[]"), "|"))
    expected = theirs(given, add_special_tokens=False)["input_ids"]
    assert tokenizer.encode([given])[0].tolist() == expected
    # Written out, a special token is one to them, and to us where that is asked for.
    whole = theirs(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.encode_with_specials(text).tolist() == whole


@pytest.mark.parametrize("text", _SET, ids=list(HARD))
def test_a_hard_text_gets_the_ids_of_the_slow_reference(vocab, text):
    tokenizer, _ = both(vocab)
    numbers = {token: i for i, token in enumerate(tokenizer.tokens(range(tokenizer.vocab_size)))}
    expected = reference.encode(text, numbers, lower=not tokenizer.is_cased)
    assert tokenizer.encode([text])[0].tolist() == expected


def test_every_character_of_the_first_plane_gets_the_ids_of_transformers(vocab):
    tokenizer, theirs = both(vocab)
    codes = [code for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    texts = [f"a{chr(code)}b" for code in codes]
    expected = theirs(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
    ids, lengths = tokenizer.encode(texts)
    assert np.array_equal(lengths, [len(each) for each in expected])
    assert ids.tolist() == [i for each in expected for i in each]


@pytest.mark.parametrize("text", ["a \ud83d b", "\udc00", "ok\udfff"])
def test_half_of_a_character_is_refused_by_its_number(vocab, text):
    with pytest.raises(DataError, match=r"half of a surrogate pair \(U\+D[89C-F]"):
        both(vocab)[0].encode(["fine", text])
