"""A folder of ours gives back what was put into it, and is refused when it is broken."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import gloze
from gloze.core.errors import ConfigError, DataError
from gloze.core.tensor_file import map_arrays, write_arrays
from gloze.tokenizers import TokenizerConfig
from gloze.vectors.folder import load_vectors, save_vectors
from tests.vectors.small import table

WORDS = ["the", "cat", "caf\u00e9", "\u4e2d\u6587", "New York"]


def full():
    vectors = table(WORDS, cut=TokenizerConfig(kind="words", keep_accents=True, split="spaces"))
    vectors.context, vectors.is_sum = vectors.vectors * 2, True
    vectors.counts = np.arange(5, dtype=np.int64)
    vectors.idf = np.linspace(1, 2, 5, dtype=np.float32)
    return vectors


def test_all_that_is_known_comes_back(tmp_path):
    vectors = full()
    save_vectors(tmp_path / "v", vectors, card="# Vectors\n")
    found = load_vectors(tmp_path / "v")
    assert list(found.words) == WORDS
    assert found.is_sum
    cut = found.cut
    assert (cut.cased, cut.keep_accents, cut.split) == (False, True, "spaces")
    for name in ("vectors", "norms", "context", "counts", "idf"):
        np.testing.assert_array_equal(getattr(found, name), getattr(vectors, name))
        assert isinstance(getattr(found, name), np.memmap)
    assert found.most_similar("cat") == vectors.most_similar("cat")
    assert isinstance(gloze.load(tmp_path / "v"), type(vectors))


def test_the_library_reads_what_is_written_and_the_other_way(tmp_path):
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.arange(3, dtype=np.uint8),
        "c": np.zeros((0, 4), np.int64),
    }
    write_arrays(tmp_path / "x.safetensors", arrays)
    save_file(arrays, tmp_path / "y.safetensors")
    for found in (load_file(tmp_path / "x.safetensors"), map_arrays(tmp_path / "y.safetensors")):
        assert set(found) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234567",
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 4) + b"oops",
        *(
            struct.pack("<Q", len(text)) + text.encode() + b"\0" * 8
            for text in (
                '{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}',
                '{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}',
                '{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,8]}}',
                '{"a":{"dtype":"Q9","shape":[2],"data_offsets":[0,8]}}',
                '{"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}',
                '{"a":7}',
            )
        ),
    ],
)
def test_broken_files_of_arrays_are_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match="x: not readable as safetensors"):
        map_arrays(tmp_path / "x")


def change(folder, **arrays):
    found = {**map_arrays(folder / "model.safetensors"), **arrays}
    kept = {name: np.array(array) for name, array in found.items() if array is not None}
    write_arrays(folder / "model.safetensors", kept)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("vectors", None, "no array 'vectors'"),
        ("vectors", np.zeros((5, 8), np.float64), "vectors is .* of float64, expected float32"),
        ("norms", np.zeros(4, np.float32), r"norms is \(4,\) .* expected 5 rows"),
        ("norms", np.full(5, np.nan, np.float32), "not finite"),
        ("norms", np.full(5, 7, np.float32), "not the lengths of its vectors"),
        ("norms", np.full(5, -1, np.float32), "not the lengths of its vectors"),
        ("vectors", np.full((5, 8), np.nan, np.float32), "not the lengths of its vectors"),
        ("vectors", np.zeros((5, 0), np.float32), r"its vectors are \(5, 0\)"),
        (
            "vectors",
            np.zeros((4, 8), np.float32),
            r"its vectors are \(4, 8\), not vocab_size by",
        ),
        (
            "words.order",
            np.array([0, 1, 2, 3, 2**31 - 1], np.int32),
            "order of its words is broken",
        ),
        ("words.order", np.array([4, 3, 2, 1, 0], np.int32), "order of its words is broken"),
        ("context", np.zeros((5, 7), np.float32), "context vectors are not as many or as long"),
        ("words.ends", np.array([1, 2, 3, 4, 5]), "words are cut off"),
        ("words.ends", np.array([9, 2, 3, 4, 26]), "words are cut off"),
        ("words.order", np.zeros(5, np.int32), "order of its words is broken"),
        ("words.order", np.array([0, 1, 2, 3, 9], np.int32), "order of its words is broken"),
        ("words.text", np.full(25, 0xFF, np.uint8), "words are not UTF-8|cut off"),
    ],
)
def test_broken_folders_are_refused(tmp_path, name, array, message):
    save_vectors(tmp_path / "v", full())
    change(tmp_path / "v", **{name: array})
    with pytest.raises(DataError, match=message):
        load_vectors(tmp_path / "v")


def test_settings_of_something_else_are_refused(tmp_path):
    save_vectors(tmp_path / "v", full())
    path = tmp_path / "v" / "config.json"
    good = json.loads(path.read_text())
    for changes, message in (
        ({"model_type": "bert"}, "no word vectors of gloze"),
        ({"cased": 1}, "cased is no truth value"),
        ({"is_sum": None}, "is_sum is no truth value"),
        ({"split": "os"}, "Unknown split of tokenizer 'os'"),
        ({"split": [1]}, "Unknown split"),
        ({"vocab_size": 6}, "not vocab_size by hidden_size"),
    ):
        path.write_text(json.dumps({**good, **changes}))
        with pytest.raises(DataError, match=message):
            load_vectors(tmp_path / "v")


def test_verbs_that_need_an_encoder_say_so(tmp_path):
    save_vectors(tmp_path / "v", full())
    with pytest.raises(ConfigError, match="holds word vectors, and an encoder is needed here"):
        gloze.fill(tmp_path / "v", "a [MASK]")
