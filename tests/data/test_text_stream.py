"""The stream sampler: every token once and in order, whatever the blocks; lanes of steps."""

import numpy as np
import pytest

from gloze.core.errors import ConfigError
from gloze.core.ranks import Ranks
from gloze.data.stream import StepSize, Stream
from gloze.data.text_stream import StreamConfig
from tests.small import tokenizer, train_shards


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return train_shards(tmp_path_factory.mktemp("corpus"), 30)


def text_of(shards, texts):
    """Return the stream by the rule, one token after the other, and which begin a word."""
    ids, starts = [tokenizer().sep_id], [False]
    bits = np.unpackbits(shards.word_starts, bitorder="little")
    for document in range(shards.num_documents):
        first, last = shards.documents[document : document + 2]
        for sentence in range(first, last):
            where = range(shards.sentences[sentence], shards.sentences[sentence + 1])
            ids += shards.tokens[where.start : where.stop].tolist()
            starts += [bool(bits[token]) for token in where]
            if texts == "sentence" or sentence == last - 1:
                ids.append(tokenizer().sep_id)
                starts.append(False)
    return np.array(ids), np.array(starts)


@pytest.mark.parametrize("spread", [0.0, 5.0])
@pytest.mark.parametrize("texts", ["sentence", "document"])
@pytest.mark.parametrize("length", [2, 16, 5000])
def test_all_blocks_are_the_stream_with_the_tokens_on_both_sides(shards, texts, length, spread):
    stream, starts = text_of(shards, texts)
    config = StreamConfig(max_length=length, texts=texts, length_spread=spread)
    made = config.build(shards, tokenizer(), 0)
    found = made.samples(0, np.arange(len(made.lengths(0))))
    assert np.array_equal(found.input_ids, stream[:-1])
    assert np.array_equal(found.word_starts, starts[:-1])
    assert np.array_equal(found.is_special, stream[:-1] == tokenizer().sep_id)
    ends = np.cumsum(found.lengths)
    assert np.array_equal(found.after, stream[ends])
    assert found.before.tolist() == [-1, *stream[ends[:-1] - 1]]
    assert found.lengths.max() <= length
    assert made.statistics(0)["tokens"] == len(stream) - 1


def test_a_block_is_the_same_whatever_is_cut_beside_it(shards):
    made = StreamConfig(max_length=16).build(shards, tokenizer(), 0)
    together = made.samples(1, np.array([9, 3, 40]))
    for place, index in enumerate([9, 3, 40]):
        alone, part = made.samples(1, np.array([index])), together.part(place, place + 1)
        for name in ("input_ids", "word_starts", "keys", "before", "after"):
            assert np.array_equal(getattr(alone, name), getattr(part, name))


def test_even_blocks_begin_elsewhere_in_each_epoch_and_the_seed_decides(shards):
    def first(epoch, seed=0):
        return StreamConfig(max_length=64).build(shards, tokenizer(), seed).lengths(epoch)[0]

    assert len({int(first(epoch)) for epoch in range(8)}) > 3
    assert len({int(first(0, seed)) for seed in range(8)}) > 3
    assert first(3) == first(3)


def test_spread_lengths_are_near_what_was_asked_and_one_in_twenty_half_of_it(shards):
    lengths = StreamConfig(max_length=70, length_spread=5.0).build(shards, tokenizer(), 0)
    draws = np.concatenate([lengths.lengths(epoch)[:-1] for epoch in range(100)])
    assert 0.03 < np.mean(draws < 50) < 0.07
    assert 32 < draws[draws < 50].mean() < 38
    assert 66 < draws[draws > 50].mean() <= 70


def lanes_of(shards, way, ranks=None, size=4):
    source = StreamConfig(max_length=16, order="consecutive").build(shards, tokenizer(), 0)
    steps = Stream(
        source, [], size=StepSize(sequences=size, micro_batch_tokens=40), seed=0, lanes=way,
        ranks=ranks,
    )  # fmt: skip
    return len(source.lengths(0)), list(steps.read_epoch())


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_lane_is_read_on_sequence_after_sequence_and_all_are_read_once(shards, way):
    count, steps = lanes_of(shards, way)
    lanes = {lane: [] for lane in range(4)}
    for step in steps:
        for batch in step.micro_batches:
            for index, lane in zip(batch.indices, batch.lanes, strict=True):
                lanes[int(lane)].append(int(index))
    step = 1 if way == "forward" else -1
    for lane, indices in lanes.items():
        assert indices[::step] == list(range(count * lane // 4, count * (lane + 1) // 4))


def test_processes_share_lanes_out_and_keep_them(shards):
    _, alone = lanes_of(shards, "forward", size=5)
    shares = [lanes_of(shards, "forward", Ranks(rank, 2), size=5)[1] for rank in range(2)]
    for whole, *parts in zip(alone, *shares, strict=True):
        seen = sorted(int(i) for part in parts for i in part.indices)
        assert seen == sorted(whole.indices.tolist())
    for rank, steps in enumerate(shares):
        lanes = {int(lane) for s in steps for b in s.micro_batches for lane in b.lanes}
        assert lanes == set(range(rank, 5, 2))


def test_what_cannot_be_cut_or_read_on_is_refused(shards):
    with pytest.raises(ConfigError, match=r"max_length is 1; it must be at least 2"):
        StreamConfig(max_length=1)
    with pytest.raises(ConfigError, match=r"length_spread is -1\.0"):
        StreamConfig(length_spread=-1.0)
    source = StreamConfig().build(shards, tokenizer(), 0)
    with pytest.raises(ConfigError, match=r"batch_size in place of training\.batch_tokens"):
        Stream(source, [], size=StepSize(tokens=100), seed=0, lanes="forward")
