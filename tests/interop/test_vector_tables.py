"""Tables of word vectors out of the files of others and into them, beside gensim."""

from __future__ import annotations

import gzip
from itertools import pairwise

import numpy as np
import pytest

from gloze.core.errors import ConfigError, DataError
from gloze.interop import word_vectors
from gloze.interop.vector_tables import read_table, write_table
from tests.vectors.small import table, theirs

# gensim does, where a file has no header.
LEAVES_FILES_OPEN = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
WORDS = ["the", "caf\u00e9", "\u4e2d\u6587", "a_b", "1"]


def same(found, expected):
    assert list(found.words) == list(expected.words)
    np.testing.assert_array_equal(found.vectors, expected.vectors)


@pytest.mark.parametrize("form", ["text", "binary", "glove"])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_what_is_written_is_read_again_to_the_last_bit(tmp_path, form, end):
    path = tmp_path / f"v{end}"
    vectors = table(WORDS, size=5)
    vectors.vectors[0] = [1e-30, -3e38, 0.1, 1 / 3, -0.0]
    write_table(vectors, path, form)
    same(read_table(path), vectors)
    first = path.read_bytes()
    write_table(vectors, path, form, force=True)
    assert path.read_bytes() == first
    with pytest.raises(ConfigError, match="exists already"):
        write_table(vectors, path, form)


def test_text_is_that_of_gensim_byte_for_byte(tmp_path):
    vectors = table(WORDS)
    write_table(vectors, tmp_path / "ours", "text")
    theirs(vectors).save_word2vec_format(str(tmp_path / "theirs"))
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@LEAVES_FILES_OPEN
@pytest.mark.parametrize(("form", "binary", "header"), [
    ("text", False, True), ("binary", True, True), ("glove", False, False),
])  # fmt: skip
def test_gensim_reads_ours_and_we_read_gensims(tmp_path, form, binary, header):
    from gensim.models import KeyedVectors

    vectors = table(WORDS)
    write_table(vectors, tmp_path / "ours", form)
    found = KeyedVectors.load_word2vec_format(
        str(tmp_path / "ours"), binary=binary, no_header=not header
    )
    assert found.index_to_key == WORDS
    np.testing.assert_array_equal(found.vectors, vectors.vectors)
    found.save_word2vec_format(str(tmp_path / "theirs"), binary=binary, write_header=header)
    same(read_table(tmp_path / "theirs"), vectors)


@LEAVES_FILES_OPEN
def test_real_files_are_those_that_gensim_reads(shared_data):
    from gensim.models import KeyedVectors

    folder = shared_data / "checkpoints" / "word-vectors"
    for name, binary, header in (
        ("euclidean-vectors.bin", True, True),
        ("lee-fasttext.vec", False, True),
        ("glove-50d-no-header.txt", False, False),
        ("glove.6b.100d.sample.txt.gz", False, False),
        ("tencent-zh-characters-1500.vec.gz", False, True),
    ):
        found = read_table(folder / name)
        expected = KeyedVectors.load_word2vec_format(
            str(folder / name), binary=binary, no_header=not header
        )
        assert list(found.words) == expected.index_to_key
        np.testing.assert_array_equal(found.vectors, expected.vectors)


def test_fasttexts_own_form_is_refused_by_name(tmp_path, shared_data):
    (tmp_path / "v.bin").write_bytes(bytes.fromhex("ba 16 4f 2f 0c 00 00 00 64 00 00 00"))
    with pytest.raises(DataError, match=r"fastText's own binary form.*\.vec file"):
        read_table(tmp_path / "v.bin")
    # Its first version has no such mark.
    with pytest.raises(DataError, match="a word and its numbers expected"):
        read_table(shared_data / "checkpoints" / "word-vectors" / "lee-fasttext.bin")


def test_a_word_that_is_there_twice_is_refused_with_its_lines(tmp_path):
    (tmp_path / "v").write_text("the 1 2\ncat 3 4\nthe 5 6\n")
    with pytest.raises(DataError, match="v:3: 'the' again, after 1"):
        read_table(tmp_path / "v")


@pytest.mark.parametrize("word", ["New York", "a\nb", "", " a", "a\n", "\ta"])
def test_a_word_that_cannot_be_told_apart_is_not_written(tmp_path, word):
    with pytest.raises(ConfigError, match="cannot be written"):
        write_table(table(["a", word]), tmp_path / "v", "text")
    assert not (tmp_path / "v").exists()


@pytest.mark.parametrize("end", ["v", "v.gz"])
def test_binary_rows_may_begin_anywhere_in_what_is_read(tmp_path, monkeypatch, end):
    monkeypatch.setattr(word_vectors, "_MAX_WORD_BYTES", 64)
    vectors = table([f"{i}" * (i % 7 + 1) for i in range(10, 60)], size=3)
    write_table(vectors, tmp_path / end, "binary")
    for at_once in range(1, 120, 7):
        monkeypatch.setattr(word_vectors, "_BYTES_AT_ONCE", at_once)
        same(read_table(tmp_path / end), vectors)


def test_numbers_in_every_way_of_writing_are_read_as_python_does(tmp_path):
    written = ["1", "-1.5", "+2", "1e-5", "1E+3", ".5", "5.", "-0", "1e-50", "0.1234567890123"]
    (tmp_path / "v").write_text("".join(f"w{i} {x} 1\n" for i, x in enumerate(written)))
    found = read_table(tmp_path / "v").vectors[:, 0]
    np.testing.assert_array_equal(found, np.array(list(map(float, written))).astype(np.float32))


@pytest.mark.parametrize(
    ("words", "cased", "accents", "split"),
    [
        (["the", "cat"], False, False, "punctuation"),
        (["the", "Cat"], True, False, "punctuation"),
        (["the", "caf\u00e9"], False, True, "punctuation"),
        (["the", "Caf\u00e9"], True, False, "punctuation"),
        (["\u4e2d", "\u6587"], False, False, "punctuation"),
        (["\u4e2d", "\u4e2d\u6587"], False, False, "jieba"),
    ],
)
def test_how_texts_are_cut_is_told_by_the_words(tmp_path, words, cased, accents, split):
    write_table(table(words), tmp_path / "v", "glove")
    cut = read_table(tmp_path / "v").cut
    assert (cut.cased, cut.keep_accents, cut.split) == (cased, accents, split)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("3 1\na 1 0\nb 0 1\nc 1 1\n", r"v:2: 1 numbers expected after a word, found 2"),
        ("z 1 0\nb 0 1 5\n", r"v:2: 2 numbers expected after a word, found 3"),
        ("a 1e39 0\n", r"v:1: 'a' has numbers that are not finite, or too large"),
        ("a 3e38 3e38\n", r"v:1: 'a' has numbers that are not finite, or too large"),
        ("9" * 5000 + " 2\na 1 0\n", r"v:1: a word and its numbers expected|v:2"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path, content, message):
    (tmp_path / "v").write_text(content)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "v")


def test_a_vector_without_a_word_is_refused(tmp_path):
    (tmp_path / "v").write_bytes(b"1 2\n " + np.ones(2, "<f4").tobytes() + b"\n")
    with pytest.raises(DataError, match="word 1: a vector without a word"):
        read_table(tmp_path / "v")


def test_words_end_at_a_space_alone(tmp_path):
    words = ["a\u2028b", "c\u00a0d", "e\u0085f", "g\u3000"]
    write_table(table(words), tmp_path / "v", "text")
    assert list(read_table(tmp_path / "v").words) == words


@pytest.mark.parametrize("end", [".bz2", ".xz", ".zst"])
def test_only_one_compression_is_written(tmp_path, end):
    with pytest.raises(ConfigError, match=r"only \.gz is written compressed"):
        write_table(table(WORDS), tmp_path / f"v{end}", "text")


def test_progress_is_told(tmp_path, monkeypatch):
    write_table(table([f"w{i}" for i in range(9000)], size=2), tmp_path / "v", "binary")
    told = []
    read_table(tmp_path / "v", told.append)
    assert told[-1] == 9000
    assert len(told) > 1
    assert all(a < b for a, b in pairwise(told))


def test_a_cut_compressed_file_is_no_shorter_one(tmp_path):
    write_table(table(WORDS), tmp_path / "v.gz", "text")
    content = (tmp_path / "v.gz").read_bytes()
    (tmp_path / "v.gz").write_bytes(content[:-12])
    with pytest.raises(DataError):
        read_table(tmp_path / "v.gz")
    assert gzip.decompress(content)
