"""Shards come back as they were written, or are refused by name."""

from __future__ import annotations

import json
import random
import shutil

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gloze.core.errors import DataError
from gloze.data import shards as module
from gloze.data.encoding import ChunkEncoder, EncodedDocuments, cut, encode_documents
from gloze.data.shard_writer import ShardWriter
from gloze.data.shards import ARRAYS, INDEX, SPLITS, Shards, index_text, smallest_dtype
from tests.tokenizers.small import small_tokenizer

PARAGRAPHS = ["the cat sat on the mat", "the dog, and abc!", "where is the dog?"]
FILES = [f"{split}-{array}.npy" for split in SPLITS for array in ARRAYS]
COPIES = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"]
FILES += [INDEX, *(f"tokenizer/{name}" for name in COPIES)]


def write(folder, documents, *, valid_fraction=0.3, seed=0, chunk=1 << 19):
    folder.mkdir()
    encoder = ChunkEncoder(small_tokenizer(), "line")
    with ShardWriter(folder, small_tokenizer(), valid_fraction=valid_fraction, seed=seed) as writer:
        for piece in cut(documents, chunk):
            writer.add(encoder(piece))
        writer.finish({})
    return writer


def read(folder, split):
    """Return documents as lists of sentences, each a list of (token, starts a word)."""
    shards = Shards.open(folder, split)
    bits = np.unpackbits(shards.word_starts, count=shards.num_tokens, bitorder="little")
    sentences = [
        list(zip(shards.tokens[a:b].tolist(), bits[a:b].tolist(), strict=True))
        for a, b in zip(shards.sentences[:-1], shards.sentences[1:], strict=True)
    ]
    pairs = zip(shards.documents[:-1], shards.documents[1:], strict=True)
    return [sentences[a:b] for a, b in pairs]


def expected(documents):
    tokenizer = small_tokenizer()
    result = []
    for paragraphs in documents:
        each = [tokenizer.encode([paragraph])[0] for paragraph in paragraphs]
        pairs = [
            list(zip(x.tolist(), tokenizer.word_starts(x).tolist(), strict=True)) for x in each
        ]
        result.append([sentence for sentence in pairs if sentence])
    return [document for document in result if document]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "shards"
    write(folder, [PARAGRAPHS[: 1 + i % 3] for i in range(40)])
    return folder


@pytest.fixture
def copied(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy")


DOCUMENTS = st.lists(
    st.lists(st.sampled_from([*PARAGRAPHS, "", " ", "\u4e2d"]), max_size=4), max_size=8
)


def is_dealt_out(documents, one, other):
    """Whether two lists are all the documents, each in order, equal ones in either."""
    if not documents:
        return not one and not other
    first, rest = documents[0], documents[1:]
    return (one[:1] == [first] and is_dealt_out(rest, one[1:], other)) or (
        other[:1] == [first] and is_dealt_out(rest, one, other[1:])
    )


@settings(max_examples=60, deadline=None)
@example(documents=[PARAGRAPHS[:1]] * 3 + [PARAGRAPHS[1:2]] + [PARAGRAPHS[:1]], chunk=1, seed=3)
@given(documents=DOCUMENTS, chunk=st.integers(1, 80), seed=st.integers(0, 3))
def test_all_documents_come_back_in_order_in_one_split_or_the_other(
    tmp_path_factory, documents, chunk, seed
):
    folder = tmp_path_factory.mktemp("any") / "shards"
    wanted = expected(documents)
    if len(wanted) < 2:
        with pytest.raises(DataError, match=r"no text|one single document"):
            write(folder, documents, seed=seed, chunk=chunk)
        return
    writer = write(folder, documents, seed=seed, chunk=chunk)
    train, valid = read(folder, "train"), read(folder, "valid")
    assert train
    assert valid
    assert writer.num_empty == len(documents) - len(wanted)
    assert is_dealt_out(wanted, train, valid)


def test_which_document_is_held_out_depends_on_seed_and_number_not_on_chunks(tmp_path):
    documents = [[f"abc {'a' * (i % 7 + 1)}"] for i in range(200)]
    for name, chunk, seed in (("one", 10, 0), ("two", 1 << 19, 0), ("three", 10, 1)):
        write(tmp_path / name, documents, chunk=chunk, seed=seed)
    assert read(tmp_path / "one", "valid") == read(tmp_path / "two", "valid")
    assert read(tmp_path / "one", "valid") != read(tmp_path / "three", "valid")
    assert 40 <= len(read(tmp_path / "one", "valid")) <= 80


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("fraction", [0.001, 0.5, 0.999])
def test_two_documents_are_one_for_each_split(tmp_path, seed, fraction):
    write(tmp_path / "shards", [PARAGRAPHS, PARAGRAPHS[:1]], valid_fraction=fraction, seed=seed)
    for split in SPLITS:
        assert Shards.open(tmp_path / "shards", split).num_documents == 1


def test_one_document_is_refused_with_the_cure_unless_none_is_held_out(tmp_path):
    with pytest.raises(DataError, match=r"blank lines between documents.*--valid-fraction 0"):
        write(tmp_path / "one", [PARAGRAPHS])
    write(tmp_path / "all", [PARAGRAPHS], valid_fraction=0)
    assert Shards.open(tmp_path / "all", "train").num_documents == 1
    valid = Shards.open(tmp_path / "all", "valid")
    assert (valid.num_tokens, valid.num_sentences, valid.num_documents) == (0, 0, 0)


def test_a_document_longer_than_any_chunk_stays_one(tmp_path):
    documents = [PARAGRAPHS * 50, PARAGRAPHS]
    write(tmp_path / "small", documents, chunk=30)
    write(tmp_path / "large", documents)
    for split in SPLITS:
        assert read(tmp_path / "small", split) == read(tmp_path / "large", split)


def test_more_workers_give_the_same_documents():
    documents = [PARAGRAPHS * (1 + i % 5) for i in range(30)]
    encoder = ChunkEncoder(small_tokenizer(), "line")
    one = list(encode_documents(documents, encoder, workers=1))
    two = list(encode_documents(documents, encoder, workers=2))
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        for name in ("tokens", "word_starts", "lengths", "sizes"):
            assert np.array_equal(getattr(a, name), getattr(b, name))


def test_documents_are_cut_into_chunks_of_bounded_size():
    documents = [["a" * 30] * 7, [], ["b" * 10], ["c" * 200]]
    chunks = list(cut(documents, 128))
    assert [chunk.is_open for chunk in chunks] == [True, False, False]
    pieces: list[list[str]] = []
    goes_on = False
    for chunk in chunks:
        for document in chunk.documents:
            if goes_on:
                pieces[-1] += document
            else:
                pieces.append(list(document))
            goes_on = False
        goes_on = chunk.is_open
    assert pieces == documents


@pytest.mark.parametrize(("size", "name"), [(1, "uint8"), (256, "uint8"), (257, "uint16"),
                                            (65536, "uint16"), (65537, "uint32")])  # fmt: skip
def test_the_smallest_type_that_holds_every_id_is_taken(size, name):
    assert smallest_dtype(size).name == name


def test_arrays_are_plain_npy_files_that_stay_on_disk(made):
    shards = Shards.open(made, "train")
    assert shards.tokens.dtype == np.uint8
    assert isinstance(shards.tokens, np.memmap)
    assert np.array_equal(np.load(made / "train-tokens.npy", allow_pickle=False), shards.tokens)
    assert np.array_equal(np.load(made / "train-documents.npy", mmap_mode="r"), shards.documents)
    assert shards.tokenizer_path.is_dir()
    assert shards.vocab_size == small_tokenizer().vocab_size


def test_shards_of_another_tokenizer_are_refused(made):
    Shards.open(made, "train", fingerprint=small_tokenizer().fingerprint)
    with pytest.raises(DataError, match=r"made with another tokenizer.*Prepare the corpus again"):
        Shards.open(made, "train", fingerprint=small_tokenizer(cased=True).fingerprint)


def test_a_folder_without_shards_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no shards here.*gloze prepare"):
        Shards.open(tmp_path, "train")


def open_both(folder):
    for split in SPLITS:
        Shards.open(folder, split)


def refused(folder, name):
    """Open both splits and say that the fault was found and its file named."""
    with pytest.raises(
        DataError, match=r"Make the shards again|not valid JSON|no shards here"
    ) as error:
        open_both(folder)
    assert str(folder / name) in str(error.value)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_anywhere_is_found_and_the_file_named(copied, name):
    path, chance = copied / name, random.Random(name)
    good = path.read_bytes()
    for _ in range(40):
        bad = bytearray(good)
        bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        path.write_bytes(bad)
        refused(copied, name)
    path.write_bytes(good)
    open_both(copied)


@pytest.mark.parametrize("name", FILES)
def test_a_cut_or_absent_file_is_found_and_named(copied, name):
    path, chance = copied / name, random.Random(name)
    good = path.read_bytes()
    for size in {0, len(good) - 1, *(chance.randrange(len(good)) for _ in range(20))}:
        path.write_bytes(good[:size])
        refused(copied, name)
    path.write_bytes(good + b"\0")
    refused(copied, name)
    path.unlink()
    refused(copied, name)


def test_two_files_that_changed_places_are_found(copied):
    train, valid = copied / "train-sentences.npy", copied / "valid-sentences.npy"
    content = train.read_bytes()
    train.write_bytes(valid.read_bytes())
    valid.write_bytes(content)
    refused(copied, "train-sentences.npy")


def test_sizes_and_headers_are_checked_even_without_verification(copied):
    path = copied / "train-tokens.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="bytes where"):
        Shards.open(copied, "train", verify=False)


def forge(folder, name, content):
    """Replace a file and make the index agree, as one who means harm would."""
    (folder / name).write_bytes(content)
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    index["files"][name] = {
        "bytes": len(content),
        "sha256": module.hashlib.sha256(content).hexdigest(),
    }
    (folder / INDEX).write_text(index_text(index), encoding="utf-8")


def npy(array, tmp_path):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    return (tmp_path / "x.npy").read_bytes()


def test_a_forged_array_of_another_type_or_shape_is_refused(copied, tmp_path):
    good = np.array(Shards.open(copied, "train").tokens)
    hostile = [
        good.astype(object), good.astype(np.int64), good[:-1], good.reshape(1, -1),
        good.astype(np.float32), np.array(5, np.uint8),
    ]  # fmt: skip
    for array in hostile:
        forge(copied, "train-tokens.npy", npy(array, tmp_path))
        for verify in (True, False):
            with pytest.raises(DataError, match=r"train-tokens.npy: not a .npy file of \d+ uint8"):
                Shards.open(copied, "train", verify=verify)
    for content in (b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{}", b"x" * 400):
        forge(copied, "train-tokens.npy", content)
        with pytest.raises(DataError, match=r"not a .npy file"):
            Shards.open(copied, "train")


def test_forged_offsets_and_ids_out_of_range_are_refused(copied, tmp_path):
    shards = Shards.open(copied, "train")
    good = {name: np.array(getattr(shards, name)) for name in ("tokens", "sentences", "documents")}
    for name in ("sentences", "documents"):
        for place, value in ((0, 1), (-1, 10**9), (2, good[name][1]), (3, -5), (1, 10**15)):
            bad = good[name].copy()
            bad[place] = value
            forge(copied, f"train-{name}.npy", npy(bad, tmp_path))
            with pytest.raises(DataError, match=f"train-{name}.npy: offsets do not rise"):
                Shards.open(copied, "train")
        forge(copied, f"train-{name}.npy", npy(good[name], tmp_path))
    bad = good["tokens"].copy()
    bad[5] = 200
    forge(copied, "train-tokens.npy", npy(bad, tmp_path))
    with pytest.raises(DataError, match="id 200 is not in the vocabulary of 95"):
        Shards.open(copied, "train")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format_version", 2, "format version 2; this gloze reads version 1"),
        ("format_version", "1", "altered"),
        ("dtype", "object", "altered"),
        ("vocab_size", 1e12, "altered"),
        ("splits", {"train": {}}, "altered"),
        ("files", [], "altered"),
        ("tokenizer", None, "altered"),
    ],
)
def test_an_index_of_another_shape_or_version_is_refused(copied, key, value, message):
    index = json.loads((copied / INDEX).read_text(encoding="utf-8"))
    (copied / INDEX).write_text(index_text({**index, key: value}), encoding="utf-8")
    with pytest.raises(DataError, match=f"{INDEX}: {message}"):
        Shards.open(copied, "train")


def test_an_empty_part_of_nothing_can_be_selected():
    none = np.zeros(0, np.int64)
    documents = EncodedDocuments(none, none.astype(bool), none, none)
    assert documents.select(none.astype(bool)) is documents
