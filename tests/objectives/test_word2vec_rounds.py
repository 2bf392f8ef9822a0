"""Threads on copies of the tables: what is brought together, and how blocks are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gloze.data.window import Block, WindowConfig
from gloze.kernels.together import bring_together
from gloze.objectives.word2vec import CBOWConfig, SkipGramConfig
from gloze.objectives.word2vec_rounds import Rounds, scales_of, split
from gloze.objectives.word2vec_tables import Word2Vec


def block_of(lengths):
    return Block(np.arange(sum(lengths), dtype=np.int32), np.cumsum(lengths))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 6))
def test_parts_are_a_block_cut_between_its_sentences(lengths, parts):
    block, joined, ends = block_of(lengths), [], []
    for part in split(block, parts):
        assert len(part.ends) == 0 or part.ends[-1] == len(part.tokens)
        ends += (part.ends + len(joined)).tolist()
        joined += part.tokens.tolist()
    assert joined == block.tokens.tolist()
    assert ends == block.ends.tolist()


def test_changes_are_added_as_scaled():
    draw = np.random.default_rng(0)
    table = draw.standard_normal((6, 16)).astype(np.float32)
    copies = draw.standard_normal((3, 6, 16)).astype(np.float32)
    scales = draw.random(6).astype(np.float32)
    wanted = table + scales[:, None] * (copies - table).sum(axis=0)
    wanted[[0, 5]] = table[[0, 5]]
    bring_together(table, copies, scales, 1, 5)
    np.testing.assert_allclose(table, wanted, atol=1e-5)


def test_scales_go_from_a_sum_to_a_mean():
    found = scales_of(np.array([0.0, 1e-4, 0.5, 2.0, 50.0]), 4)
    assert found[0] == pytest.approx(1)
    assert found[-1] == pytest.approx(1 / 4)
    assert (np.diff(found) < 0).all()
    # Four copies go as far as one that meets four times as much.
    way = np.array([0.3])
    one, four = 1 - np.exp(-way), 1 - np.exp(-4 * way)
    np.testing.assert_allclose(4 * one * scales_of(way, 4), four, rtol=1e-6)


CONFIGS = [
    SkipGramConfig(),
    CBOWConfig(),
    SkipGramConfig(output="hierarchical_softmax"),
    CBOWConfig(output="hierarchical_softmax"),
]


def tables_of(config, counts):
    return Word2Vec(config, WindowConfig(), counts, size=8, first_word=0, seed=0)


@pytest.mark.parametrize("config", CONFIGS)
def test_one_copy_of_rare_words_learns_what_the_table_would(config):
    """Words that nobody else has in its part: the changes of both parts are added whole."""
    lengths = [10] * 8
    block = block_of(lengths)
    counts = np.ones(len(block.tokens), np.int64)
    tables, alone = tables_of(config, counts), tables_of(config, counts)
    rounds = Rounds(tables, 2)
    before = tables.inner.copy()
    sums = rounds.train(block, (1e-3, 1e-3), 0, 0)
    parts = split(block, 2)
    wanted = before.copy()
    for number, part in enumerate(parts):
        own = before.copy(), np.zeros_like(alone.outer)
        alone.train(part, (1e-3, 1e-3), 0, 0, number, tables=own)
        wanted += own[0] - before
    assert sums[2] == len(block.tokens)
    assert np.abs(tables.inner - before).max() >= 0
    np.testing.assert_allclose(tables.inner, wanted, atol=1e-6)


@pytest.mark.parametrize("config", CONFIGS)
def test_rows_are_met_as_often_as_they_are_counted(config):
    """What is met in expectation is what the loop predicts, token by token."""
    draw = np.random.default_rng(0)
    words = draw.choice(20, 20_000, p=np.arange(20, 0, -1) / 210)
    # Long sentences: few windows reach over an end.
    block = Block(words.astype(np.int32), np.arange(1000, 20_001, 1000))
    tables = tables_of(config, np.bincount(words, minlength=20))
    inner, outer = tables.met()
    sums = tables.train(block, (0.0, 0.0), 0)
    predictions = sums[1] / sums[2]
    is_cbow = isinstance(config, CBOWConfig)
    assert inner.sum() == pytest.approx(6 * tables._keep @ np.bincount(words) / 20_000, rel=0.05)
    if config.output == "negative_sampling":
        assert outer.sum() == pytest.approx(6 * predictions, rel=0.2)
    else:
        assert outer.max() == pytest.approx(predictions if not is_cbow else outer.max(), rel=0.2)
