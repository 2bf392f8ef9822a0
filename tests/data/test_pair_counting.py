"""Counts of words that stand together: what is counted, on any threads, in any memory."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.errors import ConfigError, DataError, StoppedError
from gloze.data import pair_counting, pair_counts
from gloze.data.cooccurrence import CooccurrenceConfig
from gloze.data.counts import count_tokens
from gloze.data.pair_counting import PairCounting, merged
from gloze.data.pair_counts import Layout, PairCounts
from gloze.data.shards import Shards
from tests.small import write_shards

FIRST = 5


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards") / "s"
    write_shards(folder)
    return Shards.open(folder, "train")


def ranked(shards):
    counts = count_tokens(shards)
    counts[:FIRST] = 0
    ids = np.argsort(-counts, kind="stable")
    return ids[counts[ids] > 0]


def go_on(*_):
    return None


def count(shards, config, folder, threads=1):
    ids = ranked(shards)
    layout = Layout(len(ids), config.sides == "both")
    counting = PairCounting(shards, config, ids, layout, folder / "work", threads)
    counting.run(go_on)
    counting.merge(folder / "counts", go_on)
    return PairCounts(folder / "counts")


def expected(shards, config):
    """Count by ids, word after word, in fractions."""
    ends = np.asarray(shards.sentences)
    ends = ends[shards.documents] if config.within == "document" else ends
    weights = {
        "flat": lambda d: Fraction(1),
        "distance": lambda d: Fraction(1, d),
        "dynamic": lambda d: Fraction(config.size + 1 - d, config.size),
    }
    found = Counter()
    for begin, end in pairwise(ends.tolist()):
        words = [word for word in shards.tokens[begin:end].tolist() if word >= FIRST]
        for i, word in enumerate(words):
            for d in range(1, config.size + 1):
                weight = weights[config.weighting](d)
                if config.sides in ("both", "before") and i >= d:
                    found[word, words[i - d]] += weight
                if config.sides in ("both", "after") and i + d < len(words):
                    found[word, words[i + d]] += weight
    return found


def by_ids(counts):
    ids, found = counts.ids, {}
    for words, others, values in counts.rows():
        pairs = list(zip(ids[words].tolist(), ids[others].tolist(), strict=True))
        assert len(set(pairs)) == len(pairs)
        places = words * len(ids) + others
        assert (np.diff(places) > 0).all()
        found |= dict(zip(pairs, values.tolist(), strict=True))
    return found


@pytest.mark.parametrize("within", ["sentence", "document"])
@pytest.mark.parametrize("weighting", ["flat", "distance", "dynamic"])
@pytest.mark.parametrize("sides", ["both", "before", "after"])
def test_every_meeting_counts_once_as_its_distance_says(shards, tmp_path, sides, weighting, within):
    config = CooccurrenceConfig(size=4, sides=sides, weighting=weighting, within=within)
    counts, wanted = count(shards, config, tmp_path), expected(shards, config)
    found = by_ids(counts)
    assert found.keys() == wanted.keys()
    for pair, value in wanted.items():
        assert found[pair] == pytest.approx(float(value), rel=1e-6)
    firsts, seconds = np.zeros((2, len(counts.ids)))
    ranks = {word: rank for rank, word in enumerate(counts.ids.tolist())}
    for (first, second), value in wanted.items():
        firsts[ranks[first]] += float(value)
        seconds[ranks[second]] += float(value)
    np.testing.assert_allclose(counts.sums, [firsts, seconds], rtol=1e-12)


def small_tables(monkeypatch):
    """Let a table hold 89 pairs and a block be a few sentences."""
    monkeypatch.setattr(pair_counting, "_SLOT", 1 << 16)
    monkeypatch.setattr(pair_counting, "_BLOCK_TOKENS", 300)
    monkeypatch.setattr(pair_counting, "_PRODUCT", 20)


def contents(folder):
    return {path.name: path.read_bytes() for path in (folder / "counts").iterdir()}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", [4, 30])
def test_neither_threads_nor_memory_change_a_byte(shards, tmp_path, monkeypatch, threads, size):
    config = CooccurrenceConfig(size=size, memory_megabytes=16)
    count(shards, config, tmp_path / "whole")
    small_tables(monkeypatch)
    # The widest merge, too, is of few pairs at a time.
    monkeypatch.setattr(pair_counting, "_MERGED", 1 << 16)
    count(shards, config, tmp_path / "parts", threads)
    assert len(list((tmp_path / "parts/work").glob("*.keys.npy"))) > 3
    assert contents(tmp_path / "whole") == contents(tmp_path / "parts")


def test_a_counting_that_was_stopped_or_killed_goes_on(shards, tmp_path, monkeypatch):
    config = CooccurrenceConfig(size=4, memory_megabytes=16)
    count(shards, config, tmp_path / "whole")
    small_tables(monkeypatch)
    ids = ranked(shards)
    layout, work = Layout(len(ids), True), tmp_path / "parts/work"
    told = []

    def stop(done, total, what):
        told.append((done, what))
        return 75 if len(told) == 2 else None

    with pytest.raises(StoppedError, match="Stopped while counting") as error:
        PairCounting(shards, config, ids, layout, work, 1).run(stop)
    assert error.value.exit_code == 75
    # What a killed process leaves behind does not count.
    (work / "run-00099.keys.npy").write_bytes(b"half")
    rest = PairCounting(shards, config, ids, layout, work, 1)
    assert not (work / "run-00099.keys.npy").exists()
    seen = []
    rest.run(lambda done, total, what: seen.append(done))
    assert seen[0] > told[-1][0]
    rest.merge(tmp_path / "parts/counts", go_on)
    assert contents(tmp_path / "whole") == contents(tmp_path / "parts")


@settings(deadline=None)  # the first call loads a kernel
@given(
    st.lists(st.dictionaries(st.integers(0, 60), st.integers(1, 9), max_size=30), max_size=6),
    st.integers(1, 40),
    st.integers(1, 3),
)
def test_merging_adds_up_what_has_the_same_key(parts, most, threads):
    runs = []
    for part in parts:
        keys = np.array(sorted(part), np.uint64)
        runs.append((keys, np.array([part[key] for key in sorted(part)], np.uint64)))
    runs = [run for run in runs if len(run[0])]
    found, taken = [], 0
    for some, keys, counts in merged(runs, most, threads):
        found += zip(keys.tolist(), counts.tolist(), strict=True)
        taken += some
    wanted = sum((Counter(part) for part in parts), Counter())
    assert found == sorted(wanted.items())
    assert taken == sum(map(len, parts))


@pytest.mark.parametrize("sides", ["both", "before"])
def test_rows_come_in_parts_that_memory_holds(shards, tmp_path, monkeypatch, sides):
    counts = count(shards, CooccurrenceConfig(size=4, sides=sides), tmp_path)
    for second in (False, True):
        whole = [np.concatenate(x) for x in zip(*counts.rows(second=second), strict=True)]
        monkeypatch.setattr(pair_counts, "_AT_ONCE", 50)
        parts = list(counts.rows(second=second))
        monkeypatch.undo()
        assert len(parts) > 3
        most = np.bincount(whole[0]).max()
        assert max(len(part[0]) for part in parts) <= 50 + most
        for one, other in zip(whole, zip(*parts, strict=True), strict=True):
            np.testing.assert_array_equal(one, np.concatenate(other))


def test_more_words_than_places_are_refused():
    with pytest.raises(ConfigError, match=r"lower tokenizer\.vocab_size to 8,388,608"):
        Layout((1 << 23) + 1, True)


def test_altered_counts_are_refused(shards, tmp_path):
    count(shards, CooccurrenceConfig(size=2), tmp_path)
    path = tmp_path / "counts/values.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"values\.npy: altered since it was written"):
        PairCounts(tmp_path / "counts")


def test_tiles_grow_with_the_vocabulary():
    for words, bits, across in ((1, 10, 1), (1024, 10, 1), (1025, 10, 2), (400_000, 12, 98)):
        layout = Layout(words, True)
        assert (layout.bits, layout.across) == (bits, across)
        last = np.array([words - 1])
        [key] = layout.keys(last, last).tolist()
        assert key >> 2 * bits == ((across - 1) << layout.shift) + across - 1
        places = np.array([key & ((1 << 2 * bits) - 1)], np.uint32)
        assert layout.words_at(across**2 - 1, places) == (words - 1, words - 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "sampler.size is 0; it must be from 1 to 1000"),
        ({"size": 1001}, "from 1 to 1000"),
        ({"memory_megabytes": 3}, "memory_megabytes is 3; it must be at least 16"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        CooccurrenceConfig(**settings)
