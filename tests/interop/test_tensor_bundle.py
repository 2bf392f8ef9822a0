"""TensorFlow's checkpoints: byte for byte as TensorFlow writes them, and no damage unnoticed."""

import random
from pathlib import Path

import numpy as np
import pytest

from gloze.core.errors import DataError
from gloze.interop import leveldb, tensor_bundle
from gloze.interop.leveldb import read_table, to_varint, varint, write_table
from gloze.interop.tensor_bundle import read_bundle, write_bundle

DATA = ".data-00000-of-00001"
FIELD = {"dtype": 0x08, "shape": 0x12, "shard": 0x18, "offset": 0x20, "size": 0x28, "slices": 0x3A}


def everything(prefix):
    return read_bundle(prefix, lambda name: True)[0]


def same(one, other):
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name])
        for name in one
    )


@pytest.fixture
def toy(shared_data):
    return shared_data / "checkpoints" / "bert-toy-tf" / "bert_model.ckpt"


@pytest.fixture
def small(tmp_path):
    """A checkpoint of three tensors."""
    draw = np.random.default_rng(0)
    tensors = {
        "a/kernel": draw.random((3, 4), dtype=np.float32),
        "b/bias": draw.random(5),
        "global_step": np.int64(20),
    }
    write_bundle(tmp_path / "x", {name: np.asarray(t) for name, t in tensors.items()})
    return tmp_path / "x"


def test_googles_file_written_again_is_the_same_bytes(toy, tmp_path):
    tensors = everything(toy)
    assert len(tensors) == 139
    assert tensors["global_step"] == 20
    write_bundle(tmp_path / "again", tensors)
    for part in (".index", DATA):
        original = toy.with_name(toy.name + part).read_bytes()
        assert (tmp_path / f"again{part}").read_bytes() == original


def test_the_tensors_are_those_of_the_list_beside_it(toy):
    tensors = everything(toy)
    lines = toy.with_name("tensors.tsv").read_text().splitlines()[1:]
    content = toy.with_name(toy.name + DATA).read_bytes()
    for line in lines:
        name, dtype, shape, offset, size = line.split("\t")
        expected = np.frombuffer(content[int(offset) : int(offset) + int(size)], dtype=dtype)
        assert tensors[name].shape == tuple(int(n) for n in shape.split(",") if n)
        assert np.array_equal(tensors[name].reshape(-1), expected)


def test_only_what_is_wanted_is_read(small):
    tensors, others = read_bundle(small, lambda name: name.endswith("kernel"))
    assert list(tensors) == ["a/kernel"]
    assert others == ["b/bias", "global_step"]


def test_what_is_written_comes_back(tmp_path):
    tensors = {
        "none": np.zeros((0, 3), np.float32),
        "one": np.array(2.5, np.float64),
        "half": np.arange(6, dtype=np.float16).reshape(1, 2, 3),
        "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "whole": np.arange(3, dtype=np.int32),
        "ä": np.ones(1, np.int64),
    }
    write_bundle(tmp_path / "x", tensors)
    assert same(everything(tmp_path / "x"), tensors)


def test_an_index_of_many_blocks(tmp_path):
    """TensorFlow 2.21 wrote the same bytes for twice as many; it begins a block every 256 KiB."""
    tensors = {f"scope/{i:06d}/weight": np.full(1, i, np.float32) for i in range(9000)}
    write_bundle(tmp_path / "x", tensors)
    assert (tmp_path / "x.index").stat().st_size > 262144
    assert same(everything(tmp_path / "x"), tensors)


def test_keys_between_blocks_are_as_short_as_leveldb_makes_them():
    assert leveldb._separator(b"abcd", b"abzz") == b"abd"
    assert leveldb._separator(b"abc", b"abd") == b"abc"
    assert leveldb._separator(b"ab", b"abc") == b"ab"
    assert leveldb._separator(b"global_step", None) == b"h"
    assert leveldb._separator(b"\xff\xffa", None) == b"\xff\xffb"
    assert leveldb._separator(b"\xff", None) == b"\xff"


def test_numbers_lie_in_several_files(tmp_path):
    """Joined as TensorFlow joins what several machines saved; read so from its own, too."""
    draw = np.random.default_rng(0)
    parts = [{f"{side}/{i}": draw.random((i, 2)) for i in range(20)} for side in "ab"]
    entries = {}
    for number, part in enumerate(parts):
        write_bundle(tmp_path / f"part{number}", part)
        data = (tmp_path / f"part{number}{DATA}").read_bytes()
        (tmp_path / f"x.data-0000{number}-of-00002").write_bytes(data)
        shard = bytes([FIELD["shard"], number]) if number else b""
        own = read_table(tmp_path / f"part{number}.index")[1:]
        entries |= {key: value + shard for key, value in own}
    header = bytes([0x08, 2, 0x1A, 2, 0x08, 1])
    write_table(tmp_path / "x.index", [(b"", header), *sorted(entries.items())])
    assert same(everything(tmp_path / "x"), parts[0] | parts[1])
    (tmp_path / "x.data-00001-of-00002").unlink()
    with pytest.raises(DataError, match=r"x\.data-00001-of-00002: no such file"):
        everything(tmp_path / "x")


@pytest.mark.parametrize("part", [".index", DATA])
def test_no_flipped_bit_passes(small, part):
    path, tensors = Path(f"{small}{part}"), everything(small)
    content = path.read_bytes()
    draw = random.Random(0)
    messages = []
    for _ in range(200):
        damaged = bytearray(content)
        damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            # The padding of the footer, and a block of nothing, hold no meaning.
            assert same(everything(small), tensors)
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 120
    assert all(str(path) in message for message in messages)


@pytest.mark.parametrize("part", [".index", DATA])
def test_no_cut_passes(small, part):
    path = Path(f"{small}{part}")
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(DataError, match="Fetch or copy it again") as refused:
            everything(small)
        assert str(path) in str(refused.value)


def test_a_damaged_weight_is_named(small):
    path = Path(f"{small}{DATA}")
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"the checksum of b/bias differs"):
        everything(small)


def entry(**fields):
    """An entry of a table: of one tensor of four floats, but for what is given."""
    values = {"dtype": 1, "shape": axes(4), "size": 16} | fields
    content = b""
    for name, value in values.items():
        content += bytes([FIELD[name]])
        if isinstance(value, bytes):
            content += to_varint(len(value)) + value
        else:
            content += to_varint(value)
    return content


def axes(*sizes):
    each = [bytes([0x08]) + to_varint(size) for size in sizes]
    return b"".join(bytes([0x12, len(axis)]) + axis for axis in each)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (entry(dtype=7), "TensorFlow's type 7 cannot be read"),
        (entry(slices=b""), "it is in slices"),
        (entry(shape=axes(1 << 40)), "16 bytes for a shape of"),
        (entry(shape=axes(1 << 63, 2)), "16 bytes for a shape of"),
        (entry(shape=axes(1 << 40), size=1 << 42), r"cut: w ends at byte 4,398,046,511,104"),
        (entry(offset=1 << 50), r"cut: w ends at byte 1,125,899,906,842,640"),
        (entry(shape=axes(*[1] * 17), size=4), "a shape of 17 axes"),
        (entry(shape=axes(0, 1 << 62), size=0), "is too large"),
        (entry(shape=axes(1 << 63, 0), size=0), "is too large"),
        (bytes([0x08, 1, 0x28, 4]), "the checksum of w differs"),
        (entry(shape=bytes([0x12, 9, 1])), "9 bytes are wanted"),
        (entry(shard=3), "it is in file 3 of 1"),
        (bytes([0x08, 1, 0x2A, 1, 0]), "field 5 is no number"),
        (b"\x12", "1 bytes are wanted"),
        (b"\x0f", "a field of kind 7"),
        (b"\xff" * 12, "a number without end"),
    ],
)
def test_a_hostile_entry_is_refused_before_memory_is_taken(small, value, message):
    write_table(Path(f"{small}.index"), [(b"", bytes([0x08, 1])), (b"w", value)])
    with pytest.raises(DataError, match=message):
        everything(small)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (bytes([0x10, 1, 0x08, 1]), "big-endian"),
        (bytes([0x08, 0]), "0 files in format 0"),
        (b"\x08" + to_varint(1 << 40), "files in format 0"),
        (bytes([0x08, 1, 0x1A, 2, 0x10, 9]), "1 files in format 9"),
        (bytes([0x0A, 1, 0]), "is no number"),
        (bytes([0x08]), "its header is damaged"),
        (bytes([0x18, 1]), "its header is damaged"),
    ],
)
def test_a_header_of_another_kind_is_refused(small, header, message):
    write_table(Path(f"{small}.index"), [(b"", header)])
    with pytest.raises(DataError, match=message):
        everything(small)


@pytest.mark.parametrize("entries", [[], [(b"w", entry())]])
def test_a_table_without_header_is_refused(small, entries):
    write_table(Path(f"{small}.index"), entries)
    with pytest.raises(DataError, match="its index has no header"):
        everything(small)


@pytest.mark.parametrize(("kind", "message"), [(1, "compressed by snappy"), (7, "numbered 7")])
def test_compressed_blocks_are_refused_with_the_cure(small, monkeypatch, kind, message):
    monkeypatch.setattr(leveldb, "_PLAIN", kind)
    write_table(Path(f"{small}.index"), [(b"", bytes([0x08, 1]))])
    monkeypatch.undo()
    with pytest.raises(DataError, match=rf"{message}.*tf\.train\.Saver"):
        everything(small)


def test_a_table_that_lies_about_itself_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.index"
    write_table(path, [(b"b", b""), (b"a", b"")])
    with pytest.raises(DataError, match="not in order"):
        read_table(path)
    for block in (b"", b"\x09\x00\x00\x00", b"\x05\x01\x00a" + bytes([0] * 4 + [1, 0, 0, 0])):
        monkeypatch.setattr(leveldb._Block, "packed", lambda self, block=block: block)
        monkeypatch.setattr(leveldb._Block, "size", property(lambda self: len(self.packed())))
        write_table(path, [(b"a", b"")])
        with pytest.raises(DataError, match=r"restarts|shares 5 bytes with one of 0"):
            read_table(path)
    monkeypatch.undo()
    monkeypatch.setattr(leveldb, "_MOST_BYTES", 10)
    with pytest.raises(DataError, match="bytes are too many for an index"):
        read_table(path)
    (tmp_path / "x.index").write_bytes(b"no table")
    with pytest.raises(DataError, match="not an index of TensorFlow"):
        read_table(path)


def test_tensors_that_lie_over_one_another_take_no_memory(small):
    """Many names for the same numbers: a small file must not become gigabytes."""
    entries = [(name, entry(offset=16)) for name in (b"v", *(b"w%d" % i for i in range(9)))]
    write_table(Path(f"{small}.index"), [(b"", bytes([0x08, 1])), *entries])
    with pytest.raises(DataError, match=r"w\d lies over other tensors"):
        everything(small)


def test_keys_that_share_all_and_blocks_read_again_take_no_memory(tmp_path, monkeypatch):
    path = tmp_path / "x.index"
    with monkeypatch.context() as patch:
        patch.setattr(leveldb, "_RESTART", 1 << 20)
        write_table(path, [(b"k" * 5000 + b"%04d" % i, b"") for i in range(2000)])
    assert path.stat().st_size < 50_000
    with pytest.raises(DataError, match=r"keys of .* bytes in a block of"):
        read_table(path)
    content, block, index = bytearray(), leveldb._Block(16), leveldb._Block(1)
    block.add(b"a", b"")
    place = leveldb._append(content, block)
    index.add(b"b", place)
    index.add(b"c", place)
    footer = leveldb._append(content, leveldb._Block(16)) + leveldb._append(content, index)
    path.write_bytes(content + footer.ljust(40, b"\0") + leveldb._MAGIC)
    with pytest.raises(DataError, match="its blocks overlap at byte 0"):
        read_table(path)


def test_numbers_of_seven_bits_a_byte():
    for value in (0, 1, 127, 128, 300, 2**32, 2**64 - 1):
        assert varint(b"x" + to_varint(value), 1) == (value, 1 + len(to_varint(value)))
    with pytest.raises(ValueError, match="without end at byte 10"):
        varint(b"\xff" * 20, 0)


def test_the_types_are_those_of_tensorflow():
    # types.proto: DT_FLOAT 1, DT_DOUBLE 2, DT_INT32 3, DT_INT64 9, DT_HALF 19.
    names = {number: np.dtype(name).name for number, name in tensor_bundle._TYPES.items()}
    assert names == {1: "float32", 2: "float64", 3: "int32", 9: "int64", 19: "float16"}
