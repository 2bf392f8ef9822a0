"""Compressed files: whole, concatenated, cut, damaged and hostile."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest

from gloze.core.errors import DataError
from gloze.text.compression import open_binary, zstd
from gloze.text.read import ReadOptions, read_documents

COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd.compress}
KINDS = list(COMPRESS)
WORDS = np.array(
    ["the", "cat", "sat", "on", "mats", "and", "saw", "no", "dog", "in", "all", "life"]
)
TEXT = "\n".join(
    " ".join(line) for line in WORDS[np.random.default_rng(0).integers(0, 12, (4000, 12))]
).encode()

BOMB = """
import resource, sys
from pathlib import Path
from gloze.core.errors import DataError
from gloze.text.read import read_documents

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    for document in read_documents([sys.argv[1]]):
        pass
except DataError as error:
    print(error)
else:
    print("read without complaint")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def read(path):
    with open_binary(path) as file:
        return file.read()


def write(folder, data, suffix):
    path = folder / f"corpus.txt{suffix}"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", KINDS)
def test_a_compressed_file_reads_back_as_written(tmp_path, suffix):
    assert read(write(tmp_path, COMPRESS[suffix](TEXT), suffix)) == TEXT


@pytest.mark.parametrize("suffix", KINDS)
def test_every_member_of_a_concatenated_file_is_read(tmp_path, suffix):
    parts = [COMPRESS[suffix](part) for part in (TEXT, b"", b"end\n")]
    assert read(write(tmp_path, b"".join(parts), suffix)) == TEXT + b"end\n"


@pytest.mark.parametrize("suffix", KINDS)
def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path, suffix):
    data = COMPRESS[suffix](TEXT)
    points = {int(point) for point in np.linspace(0, len(data) - 1, 100)}
    assert len(points) == 100
    for point in points:
        with pytest.raises(DataError, match=r"corpus.txt.*compression is broken"):
            list(read_documents([write(tmp_path, data[:point], suffix)]))


@pytest.mark.parametrize("suffix", KINDS)
def test_a_cut_in_a_later_member_is_refused(tmp_path, suffix):
    one = COMPRESS[suffix](TEXT[:5000])
    for size in range(1, len(one), 37):
        with pytest.raises(DataError, match="compression is broken"):
            read(write(tmp_path, one + one[:size], suffix))


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_a_flipped_bit_is_refused_or_harmless(tmp_path, suffix):
    if suffix == ".zst":  # without its checksum a frame may be read with other text
        data = zstd.compress(TEXT, options={zstd.CompressionParameter.checksum_flag: 1})
    else:
        data = COMPRESS[suffix](TEXT)
    generator = np.random.default_rng(1)
    for place, bit in zip(generator.integers(0, len(data), 100), range(100), strict=True):
        damaged = bytearray(data)
        damaged[place] ^= 1 << (bit % 8)
        with suppress(DataError):
            assert read(write(tmp_path, bytes(damaged), suffix)) == TEXT


@pytest.mark.parametrize("suffix", KINDS)
def test_bytes_after_the_end_are_refused_and_zeros_only_where_allowed(tmp_path, suffix):
    data = COMPRESS[suffix](TEXT)
    with pytest.raises(DataError, match="compression is broken"):
        read(write(tmp_path, data + b"more text that is not compressed", suffix))
    if suffix in (".gz", ".xz"):
        assert read(write(tmp_path, data + b"\0" * 512, suffix)) == TEXT


@pytest.mark.parametrize("suffix", KINDS)
def test_text_under_a_compressed_name_is_refused(tmp_path, suffix):
    with pytest.raises(DataError, match="compression is broken"):
        read(write(tmp_path, b"plain text, of some length, that is not compressed\n", suffix))


def _compress_fast(suffix, data):
    """At 10 MB a second or more; the usual level of xz takes ten times as long."""
    return lzma.compress(data, preset=0) if suffix == ".xz" else COMPRESS[suffix](data)


@pytest.mark.parametrize("suffix", KINDS)
def test_a_bomb_is_refused_in_little_memory(tmp_path, suffix):
    member = _compress_fast(suffix, (b"a" * 79 + b"\n") * (1 << 20))  # 84 MB, twice
    path = write(tmp_path, member * 2, suffix)
    result = subprocess.run(
        [sys.executable, "-c", BOMB, str(path)], capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    message, grown = result.stdout.strip().rsplit("\n", 1)
    assert "over 200 times its size" in message, result
    assert int(grown) < 150


def test_a_file_larger_than_allowed_is_refused(tmp_path):
    path = write(tmp_path, gzip.compress(TEXT), ".gz")
    with pytest.raises(DataError, match=r"over 1,000 bytes when decompressed.*raise"):
        list(read_documents([path], options=ReadOptions(max_decompressed_bytes=1000)))


def test_a_parquet_bomb_of_one_long_text_many_times_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    long = pa.array(["x" * 1_000_000])
    table = pa.table({"text": pa.DictionaryArray.from_arrays(pa.array([0] * 5000), long)})
    path = tmp_path / "bomb.parquet"
    pq.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 1_000_000
    result = subprocess.run(
        [sys.executable, "-c", BOMB, str(path)], capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    message, grown = result.stdout.strip().rsplit("\n", 1)
    assert "over 200 times its size" in message, result
    assert int(grown) < 300


def test_a_folder_or_a_missing_file_is_no_file(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        open_binary(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        open_binary(tmp_path / "absent.gz")
    with pytest.raises(DataError, match="is a device"):
        open_binary(tmp_path.__class__("/dev/null"))
