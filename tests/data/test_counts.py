"""Counts of tokens and of their neighbors, as worked out by hand."""

from itertools import pairwise

import numpy as np
import pytest

from gloze.data import counts
from gloze.data.counts import count_neighbors, count_tokens
from gloze.data.shards import Shards
from tests.small import train_shards


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return train_shards(tmp_path_factory.mktemp("data"))


def tiny(*documents):
    """Shards in memory: documents as lists of ids, one sentence each."""
    tokens = np.array([i for document in documents for i in document], dtype=np.uint8)
    edges = np.cumsum([0, *map(len, documents)])
    index = {"vocab_size": 6}
    numbers = np.arange(len(documents) + 1)
    return Shards(tokens, edges, numbers, np.zeros(0, np.uint8), None, "train", index)


def test_neighbors_are_different_tokens_beside_each_other_inside_a_document():
    found = count_neighbors(tiny([1, 2, 1, 2, 1, 3], [2, 1], [5]))
    assert found.followed.tolist() == [0, 3, 3, 0, 0, 0]
    assert found.continuations.tolist() == [0, 2, 1, 0, 0, 0]
    assert found.histories.tolist() == [0, 1, 1, 1, 0, 0]


@pytest.mark.parametrize(("pairs", "tokens"), [(1, 1 << 22), (1 << 28, 7), (500, 13)])
def test_blocks_of_tokens_and_of_pairs_change_no_count(shards, monkeypatch, pairs, tokens):
    whole = count_neighbors(shards)
    frequent = count_tokens(shards)
    monkeypatch.setattr(counts, "_PAIRS_AT_ONCE", pairs)
    monkeypatch.setattr(counts, "_AT_ONCE", tokens)
    for name in ("followed", "continuations", "histories"):
        again = getattr(count_neighbors(shards), name)
        assert np.array_equal(again, getattr(whole, name)), name
    assert np.array_equal(count_tokens(shards), frequent)
    assert frequent.sum() == shards.num_tokens


def test_counts_are_those_of_a_plain_loop(shards):
    met = set()
    followed = np.zeros(shards.vocab_size, int)
    for first, last in zip(shards.documents[:-1], shards.documents[1:], strict=True):
        text = shards.tokens[shards.sentences[first] : shards.sentences[last]].tolist()
        met |= set(pairwise(text))
        np.add.at(followed, text[:-1], 1)
    found = count_neighbors(shards)
    assert np.array_equal(found.followed, followed)
    for side, name in enumerate(("continuations", "histories")):
        expected = np.bincount([pair[side] for pair in met], minlength=shards.vocab_size)
        assert np.array_equal(getattr(found, name), expected), name
