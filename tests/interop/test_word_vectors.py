"""Vectors of word2vec and GloVe: read from every form, refused when malformed."""

import gzip

import numpy as np
import pytest
import torch
from torch import nn

from gloze.core.errors import DataError
from gloze.interop.token_table import fill_token_table
from gloze.interop.word_vectors import VectorFile
from tests.small import tokenizer

WORDS = {"the": [1.0, 2.0, 3.0], "cat": [-0.5, 0.25, 8.0], "été": [1e-3, -2e5, 0.0]}


def text(header=True, words=WORDS):
    lines = [f"{word} {' '.join(map(str, numbers))}\n" for word, numbers in words.items()]
    return "".join([f"{len(words)} 3\n"] * header + lines).encode()


def binary(newline=b"\n"):
    rows = [w.encode() + b" " + np.array(x, "<f4").tobytes() + newline for w, x in WORDS.items()]
    return b"3 3\n" + b"".join(rows)


FORMS = {
    "word2vec.txt": text(),
    "glove.txt": text(header=False),
    "word2vec.bin": binary(),
    "bare.bin": binary(b""),
    "glove.txt.gz": gzip.compress(text(header=False)),
    "word2vec-bom.txt": "\ufeff".encode() + text(),
    "glove-bom.txt": "\ufeff".encode() + text(header=False),
    "bom.bin": "\ufeff".encode() + binary(),
}


def read(path):
    file = VectorFile(path)
    return {row.word: file.vector(row).tolist() for row in file.rows()}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_vectors(tmp_path, name):
    (tmp_path / name).write_bytes(FORMS[name])
    assert VectorFile(tmp_path / name).size == 3
    assert read(tmp_path / name) == {word: np.float32(x).tolist() for word, x in WORDS.items()}


def test_a_word_may_hold_spaces(tmp_path):
    """As in GloVe's vectors of the Common Crawl."""
    (tmp_path / "g").write_text("the 1 2 3\n. . . 4 5 6\n")
    assert [row.word for row in VectorFile(tmp_path / "g").rows()] == ["the", ". . ."]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"x:1: a word and its numbers expected, or how many of both; found b''"),
        (b"the\n", r"x:1: a word and its numbers expected"),
        (b"2 99999999\nthe 1\n", r"x:1: a word and its numbers expected"),
        (b"the 1 2 3\ncat 1 2\n", r"x:2: 3 numbers expected after a word, found 2"),
        (b"the 1 2 3\n\n", r"x:2: 3 numbers expected after a word, found 0"),
        (b"the 1 2 3\ncat 1 b 3\n", r"x:2: 'cat' has no numbers"),
        (b"the 1 2 3\ncat 1 nan 3\n", r"x:2: 'cat' has numbers that are not finite"),
        (b"the 1 2 3\nca\xfft 1 2 3\n", r"x:2: the word is not UTF-8"),
        (b"3 3\nthe 1 2 3\n", r"x: 1 words, and its first line says 3: is it cut\?"),
        (b"1 3\nthe 1 2 3\ncat 1 2 3\n", r"x: 2 words, and its first line says 1"),
        (binary()[:-5], "x: word 3: cut off, or no word vector"),
        (binary() + b"dog", "x: word 4: more words than the first line says"),
    ],
)
def test_malformed_files_are_refused_with_the_place(tmp_path, content, message):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "x")


def table():
    torch.manual_seed(0)
    return nn.Embedding(tokenizer(143).vocab_size, 3)


def write(tmp_path, content):
    (tmp_path / "vectors.txt").write_bytes(content)
    return tmp_path / "vectors.txt"


def test_whole_word_tokens_get_their_vectors_and_all_others_stay(tmp_path):
    found, own = table(), tokenizer(143)
    before = found.weight.detach().clone()
    path = write(tmp_path, text(words={**WORDS, "sees": [1.0, 1.0, 1.0], "##s": [9.0, 9.0, 9.0]}))
    coverage = fill_token_table(found, own, path)
    names = [token for token in ("the", "cat", "sees") if own.token_id(token) is not None]
    ids = [own.token_id(token) for token in names]
    assert coverage.filled == len(ids) > 1
    vectors = torch.tensor([{**WORDS, "sees": [1.0, 1.0, 1.0]}[token] for token in names])
    assert torch.allclose(found.weight[ids], vectors * coverage.scale)
    # The spread of what they replace.
    spread = found.weight[ids].square().mean().item()
    assert spread == pytest.approx(before[ids].square().mean().item())
    others = [i for i in range(own.vocab_size) if i not in ids]
    assert torch.equal(found.weight[others], before[others])
    text_ = str(coverage)
    assert f"vectors for {len(ids)} of {coverage.whole_words} whole-word tokens" in text_


def test_of_words_that_become_one_token_the_one_spelled_as_it_is_taken(tmp_path):
    numbers = {"The": [1.0, 0, 0], "the": [0, 1.0, 0], "THE": [0, 0, 1.0], "A": [1.0, 0, 0]}
    found = table()
    fill_token_table(found, tokenizer(143), write(tmp_path, text(words=numbers)))
    assert found.weight[tokenizer(143).token_id("the")].argmax() == 1
    capital = table()
    del numbers["the"]
    fill_token_table(capital, tokenizer(143), write(tmp_path, text(words=numbers)))
    assert capital.weight[tokenizer(143).token_id("the")].argmax() == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"the 1 2\n",
            "txt: vectors of 2 numbers, and the encoder's have 3. Give vectors of 3, or pre-train",
        ),
        (b"zyx 1 2 3\n", "not one of its words is a token of the vocabulary"),
        (b"[MASK] 1 2 3\n", "not one of its words is a token"),
        (b"the 1 2 3\nof 1 1 1\nthe 1 2 3\n", r"txt:3: 'the' again, after 1"),
    ],
)
def test_vectors_that_cannot_fill_the_table_are_refused(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        fill_token_table(table(), tokenizer(143), write(tmp_path, content))


def test_whole_words_are_counted_without_pieces_and_special_tokens(tmp_path):
    own = tokenizer(143)
    tokens = own.tokens(range(own.vocab_size))
    specials = own.tokens(own.special_ids)
    words = [t for t in tokens if not t.startswith("##") and t not in specials]
    coverage = fill_token_table(table(), own, write(tmp_path, text()))
    assert coverage.whole_words == len(words)
