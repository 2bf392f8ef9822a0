"""Blocks of a corpus, and how often frequent words are kept."""

from __future__ import annotations

import numpy as np
import pytest

from gloze.core.errors import ConfigError
from gloze.data.shards import Shards
from gloze.data.window import Blocks, WindowConfig, keep_chances
from tests.small import write_shards


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards") / "s"
    write_shards(folder)
    return Shards.open(folder, "train")


@pytest.mark.parametrize("within", ["sentence", "document"])
@pytest.mark.parametrize("tokens", [1, 50, 333, 10**9])
def test_blocks_are_the_corpus_cut_between_sentences_or_documents(shards, within, tokens):
    blocks = Blocks(shards, within, tokens)
    ends = np.asarray(shards.sentences)
    ends = ends[shards.documents] if within == "document" else ends
    joined, before = [], 0
    for number, block in enumerate(blocks):
        assert blocks.tokens_before(number) == before
        assert block.ends[-1] == len(block.tokens)
        joined += (before + block.ends).tolist()
        before += len(block.tokens)
        longest = np.diff(ends).max()
        assert len(block.tokens) >= min(tokens, 1)
        assert len(block.tokens) < tokens + longest
    assert blocks.tokens_before(len(blocks)) == before == shards.num_tokens
    assert joined == ends[1:].tolist()
    tokens_found = np.concatenate([block.tokens for block in blocks])
    np.testing.assert_array_equal(tokens_found, shards.tokens)
    with pytest.raises(IndexError):
        blocks[len(blocks)]


def test_rare_words_are_kept_and_frequent_ones_by_the_published_chance():
    counts = np.array([0, 5, 995_000, 4_995])
    chances = keep_chances(counts, 1e-3)
    share = 0.995
    assert chances[:2].tolist() == [1, 1]
    assert chances[2] == pytest.approx((np.sqrt(share / 1e-3) + 1) * 1e-3 / share, rel=1e-6)
    assert chances[3] == pytest.approx(np.sqrt(1e-3 / 0.004995) + 1e-3 / 0.004995, rel=1e-6)
    assert keep_chances(counts, 0).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(("name", "value"), [("size", 0), ("subsample", -1.0)])
def test_impossible_windows_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"sampler.{name}"):
        WindowConfig(**{name: value})
