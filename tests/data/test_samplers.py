"""Sequences: pairs and blocks, their true shares, and that (seed, epoch, index) alone decide."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from gloze.core.errors import ConfigError, DataError
from gloze.core.rng import sample_keys
from gloze.data.plan import PLAN
from gloze.data.samplers import SegmentPairConfig, TextBlockConfig, truncate
from tests.small import tokenizer, train_shards


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return train_shards(tmp_path_factory.mktemp("corpus"), 300)


def sampler(shards, **settings):
    return SegmentPairConfig(**settings).build(shards, tokenizer(), seed=0)


def every(made, epoch=0):
    return made.samples(epoch, np.arange(len(made.lengths(epoch))))


def segments(samples):
    """Yield (A, B, label) of each sequence as lists of ids."""
    ends = np.cumsum(samples.lengths)
    for end, size, label in zip(ends, samples.lengths, samples.labels["nsp"], strict=True):
        ids, types = samples.input_ids[end - size : end], samples.token_type_ids[end - size : end]
        yield ids[types == 0].tolist(), ids[types == 1].tolist(), int(label)


def document_text(shards, number):
    first, last = shards.documents[number], shards.documents[number + 1]
    return shards.tokens[shards.sentences[first] : shards.sentences[last]].tolist()


def contains(text, part):
    return any(text[i : i + len(part)] == part for i in range(len(text) - len(part) + 1))


def test_a_pair_is_cls_a_sep_b_sep_with_types_0_and_1(shards):
    cls, sep = tokenizer().cls_id, tokenizer().sep_id
    for a, b, _ in segments(every(sampler(shards, max_length=32))):
        assert a[0] == cls
        assert (a[-1], b[-1]) == (sep, sep)
        assert cls not in a[1:] + b
        assert sep not in a[1:-1] + b[:-1]
        assert len(a) > 2
        assert len(b) > 1


def test_a_true_next_segment_follows_in_the_same_document(shards):
    texts = [document_text(shards, number) for number in range(shards.num_documents)]
    made = sampler(shards, max_length=64)
    pairs = [(a[1:-1], b[:-1]) for a, b, label in segments(every(made)) if label == 0]
    rows = made.plan(0).rows
    fits = (rows["a_length"] + rows["b_length"] + 3 <= 64)[rows["is_random"] == 0]
    assert np.count_nonzero(fits) > 20
    for (a, b), whole in zip(pairs, fits, strict=True):
        if whole:
            assert any(contains(text, a + b) for text in texts)


def test_a_random_next_segment_is_from_another_document(shards):
    rows = sampler(shards, max_length=32).plan(0).rows
    starts = np.asarray(shards.sentences)[np.asarray(shards.documents)]
    drawn = rows["is_random"] == 1
    a = np.searchsorted(starts, rows["a_start"], side="right")
    b = np.searchsorted(starts, rows["b_start"], side="right")
    assert np.all((a != b) == drawn)
    assert len(np.unique(b[drawn])) > 0.5 * shards.num_documents


def test_the_unused_tail_is_put_back_so_every_sentence_is_some_a_or_b(shards):
    rows = sampler(shards, max_length=32).plan(0).rows
    covered = np.zeros(shards.num_tokens, dtype=int)
    for row in rows:
        covered[row["a_start"] : row["a_start"] + row["a_length"]] += 1
        if not row["is_random"]:
            covered[row["b_start"] : row["b_start"] + row["b_length"]] += 1
    assert np.all(covered == 1)


def test_the_true_share_of_random_next_is_reported(shards):
    made = sampler(shards, max_length=32)
    labels = every(made).labels["nsp"]
    assert made.statistics(0)["random_next_share"] == pytest.approx(labels.mean())


def test_where_a_choice_exists_half_of_the_next_segments_are_random(shards):
    made = sampler(shards, max_length=32)
    random = total = 0
    for epoch in range(40):
        rows = made.plan(epoch).rows
        sentence = np.searchsorted(shards.sentences, rows["a_start"] + rows["a_length"])
        document = np.searchsorted(shards.documents, sentence - 1, side="right")
        ends_document = np.isin(sentence, shards.documents) | (document < 0)
        # An A that ends its document had no second half: its B had to be drawn.
        choice = ~ends_document | (rows["is_random"] == 0)
        free = choice & (rows["a_length"] < 20)
        random += np.count_nonzero(rows["is_random"][free])
        total += np.count_nonzero(free)
    assert 0.4 < random / total < 0.6


def test_a_chunk_of_one_sentence_always_has_a_random_next(tmp_path):
    shards = train_shards(tmp_path)
    made = sampler(shards, max_length=5, short_rate=0.0)
    assert made.statistics(0)["random_next_share"] == 1.0


def test_one_in_ten_sequences_aims_at_a_shorter_length():
    # Sentences of one token: every sequence meets its aim to the token.
    count = 1_000_000
    shards = SimpleNamespace(
        num_documents=2,
        num_tokens=count,
        tokens=np.full(count, 9, dtype=np.uint8),
        sentences=np.arange(count + 1),
        documents=np.array([0, count // 2, count]),
        word_starts=np.full(count // 8, 255, dtype=np.uint8),
    )
    lengths = sampler(shards, max_length=128).lengths(0)
    short, total = np.count_nonzero(lengths < 128), len(lengths)
    # An aim is drawn from 2 to 125 tokens and [CLS] [SEP] [SEP]: one of these 124 is the longest.
    rate = 0.1 * 123 / 124
    assert abs(short - rate * total) < 3 * math.sqrt(total * rate)
    assert lengths.min() == 5
    random = sampler(shards, max_length=128).statistics(0)["random_next_share"]
    assert abs(random - 0.5) < 3 * 0.5 / math.sqrt(total)


def test_no_sequence_is_over_the_length_and_the_plan_knows_each_length(shards):
    for config in (SegmentPairConfig(max_length=16), TextBlockConfig(max_length=16)):
        made = config.build(shards, tokenizer(), seed=0)
        samples = every(made)
        assert samples.lengths.max() <= 16
        assert np.array_equal(samples.lengths, made.lengths(0))


@pytest.mark.parametrize(
    ("a", "b", "room", "kept"),
    [
        (10, 10, 20, (10, 10)),
        (10, 10, 19, (10, 9)),
        (3, 5, 5, (3, 2)),
        (5, 3, 5, (3, 2)),
        (2, 100, 10, (2, 8)),
        (100, 2, 10, (8, 2)),
        (50, 60, 11, (6, 5)),
    ],
)
def test_tokens_are_taken_off_the_longer_segment(a, b, room, kept):
    def one_by_one(a, b):
        while a + b > room:
            a, b = (a - 1, b) if a > b else (a, b - 1)
        return a, b

    rows = np.zeros(1, dtype=PLAN)
    rows["a_length"], rows["b_length"], rows["b_start"] = a, b, 1000
    a_start, a_kept, b_start, b_kept = truncate(rows, np.array([room]), np.zeros(1, np.uint64))
    assert (a_kept[0], b_kept[0]) == kept == one_by_one(a, b)
    assert 0 <= a_start[0] <= a - a_kept[0]
    assert 1000 <= b_start[0] <= 1000 + b - b_kept[0]


def test_half_of_what_is_cut_is_cut_in_front():
    rows = np.zeros(20000, dtype=PLAN)
    rows["a_length"], rows["b_length"] = 60, 60
    keys = sample_keys(0, 0, np.arange(20000))
    a_start, a_kept, _, _ = truncate(rows, np.full(20000, 61), keys)
    cut, front = int((60 - a_kept).sum()), int(a_start.sum())
    assert abs(front - cut / 2) < 3 * math.sqrt(cut) / 2
    assert 1 < a_start.std() < 4


def test_blocks_hold_every_token_once_in_order(shards):
    made = TextBlockConfig(max_length=16).build(shards, tokenizer(), seed=0)
    samples = every(made)
    assert np.array_equal(samples.input_ids[~samples.is_special], shards.tokens)
    assert "nsp" not in samples.labels
    assert not samples.token_type_ids.any()


def test_blocks_end_where_a_sentence_ends_unless_one_is_too_long(shards):
    made = TextBlockConfig(max_length=40, short_rate=0.0).build(shards, tokenizer(), seed=0)
    rows = made.plan(0).rows
    assert np.isin(rows["a_start"], shards.sentences).all()


@pytest.mark.parametrize("max_length", [10, 64])
def test_a_sentence_is_a_sequence_of_its_own_cut_only_if_it_is_too_long(shards, max_length):
    config = TextBlockConfig(max_length=max_length, short_rate=0.0, within="sentence")
    made = config.build(shards, tokenizer(), seed=0)
    rows, samples = made.plan(0).rows, every(made)
    assert np.array_equal(samples.input_ids[~samples.is_special], shards.tokens)
    ends = rows["a_start"] + rows["a_length"]
    is_cut = ~np.isin(ends, shards.sentences)
    assert is_cut.any() == (max_length == 10)
    assert (samples.lengths[is_cut] == max_length).all()
    assert set(shards.sentences[:-1]) <= set(rows["a_start"])


def test_word_starts_come_from_the_shards(shards):
    samples = every(sampler(shards, max_length=32))
    ordinary = ~samples.is_special
    expected = tokenizer().word_starts(samples.input_ids)
    assert np.array_equal(samples.word_starts[ordinary], expected[ordinary])


def test_seed_epoch_and_index_alone_decide(shards):
    made, again = sampler(shards, max_length=32), sampler(shards, max_length=32)
    picked = np.array([7, 3, 50])
    again.samples(5, np.array([1]))
    first, second = made.samples(2, picked), again.samples(2, picked)
    assert np.array_equal(first.input_ids, second.input_ids)
    alone = np.concatenate([made.samples(2, picked[i : i + 1]).input_ids for i in range(3)])
    assert np.array_equal(first.input_ids, alone)
    other = SegmentPairConfig(max_length=32).build(shards, tokenizer(), seed=1).samples(2, picked)
    assert not np.array_equal(first.input_ids, other.input_ids)
    assert not np.array_equal(first.input_ids, made.samples(3, picked).input_ids)


def test_a_corpus_of_one_document_is_refused_with_the_cure(tmp_path):
    from tests.small import write_shards

    folder = write_shards(tmp_path / "one", count=1, valid_fraction=0.0)
    from gloze.data.shards import Shards

    one = Shards.open(folder, "train")
    with pytest.raises(DataError, match=r"one document.*Separate documents by blank lines"):
        sampler(one)
    assert len(every(TextBlockConfig().build(one, tokenizer(), seed=0)).lengths)


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match=r"sampler\.max_length is 4"):
        SegmentPairConfig(max_length=4)
    with pytest.raises(ConfigError, match=r"sampler\.random_rate is 1\.5"):
        SegmentPairConfig(random_rate=1.5)


@pytest.mark.parametrize("kind", [SegmentPairConfig, TextBlockConfig])
def test_with_a_dupe_factor_so_many_epochs_are_drawn_and_then_met_again(shards, kind):
    made = kind(dupe_factor=2).build(shards, tokenizer(), seed=0)
    free = kind().build(shards, tokenizer(), seed=0)
    epochs = [every(made, epoch) for epoch in range(5)]
    for epoch, again in ((0, 2), (1, 3), (0, 4)):
        assert np.array_equal(epochs[epoch].input_ids, epochs[again].input_ids)
        assert np.array_equal(epochs[epoch].keys, epochs[again].keys)
        assert np.array_equal(epochs[epoch].input_ids, every(free, epoch).input_ids)
    assert not np.array_equal(epochs[0].keys[:50], epochs[1].keys[:50])
    with pytest.raises(ConfigError, match=r"sampler\.dupe_factor is 0"):
        kind(dupe_factor=0)
