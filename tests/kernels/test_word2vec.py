"""Every kernel against plain NumPy, Huffman's tree and the drawing tables against their rules."""

from __future__ import annotations

import heapq
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gloze.kernels import cbow, draws, skipgram
from gloze.kernels.huffman import huffman_tree
from gloze.kernels.logistic import judge
from gloze.objectives.word2vec_tables import alias_tables
from tests.kernels import reference

VOCAB, FIRST, SIZE = 40, 3, 16


def corpus(seed, lengths):
    rng = np.random.default_rng(seed)
    tokens = (rng.zipf(1.5, sum(lengths)) % VOCAB).astype(np.int32)
    return tokens, np.cumsum(lengths).astype(np.int64)


def tables(seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 0.3, (VOCAB, SIZE)).astype(np.float32) for _ in range(2)]


def counts_of(tokens):
    counts = np.bincount(tokens, minlength=VOCAB) + 1
    counts[:FIRST] = 0
    return counts


# Sentences shorter than a block, as long as one, over several, of one word, and empty ones.
LENGTHS = [5, 32, 0, 1, 100, 2, 33, 70, 40, 9]


HOWS = [
    {},
    {"window": 1},
    {"window": 9, "dynamic": False},
    {"subsample": True},
    {"rates": (0.0, 0.0)},
]
CASES = [
    (kind, output, how)
    for kind in ("skipgram", "cbow")
    for output in ("negative", "hierarchical")
    for how in (
        *HOWS,
        *([{"divided": True}] if kind == "cbow" else []),
        *([{"shared": 4, "negatives": 3}] if output == "negative" else []),
    )
]


@pytest.mark.parametrize(("kind", "output", "how"), CASES, ids=str)
def test_a_block_changes_the_tables_as_plain_numpy_does(kind, output, how):
    tokens, ends = corpus(1, LENGTHS)
    inner, outer = tables(2)
    keep = np.ones(VOCAB, np.float32)
    if how.get("subsample"):
        keep = np.random.default_rng(3).random(VOCAB, dtype=np.float32)
    window, dynamic = how.get("window", 5), how.get("dynamic", True)
    rates = how.get("rates", (0.05, 0.01))
    counts = counts_of(tokens)
    if output == "negative":
        noise = alias_tables(counts**0.75 * (counts > 0))
        own = draws.Noise(*noise, how.get("negatives", 5), how.get("shared", 8))
    else:
        own = huffman_tree(counts)
    divided = how.get("divided", False)
    expected = [inner.astype(np.float64), outer.astype(np.float64)]
    seed = 0x123456789ABCDEF
    loss, predictions = getattr(reference, output)(
        kind, tokens, ends, FIRST, keep.astype(np.float64), *expected, window, dynamic, rates,
        seed, *own, divided,
    )  # fmt: skip
    before = inner.copy()
    sums, state = np.zeros(3), np.array([seed], np.uint64)
    function = getattr(cbow if kind == "cbow" else skipgram, f"{kind}_{output}")
    function(
        draws.Text(tokens, ends, FIRST, keep), inner, outer, window if dynamic else -window,
        np.array(rates, np.float32), state, sums, own, *([divided] if kind == "cbow" else []),
    )  # fmt: skip
    for found, wanted in zip((inner, outer), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6 * np.abs(wanted).max())
    assert sums[0] == pytest.approx(loss, rel=1e-5)
    assert sums[1:].tolist() == [predictions, len(tokens)]
    assert np.abs(inner - before).max() > 1e-3 or rates == (0.0, 0.0)


def test_the_loss_and_its_slope_are_those_of_the_logistic():
    scores = np.concatenate(
        [np.linspace(-90, 90, 3001), np.linspace(-1e-3, 1e-3, 101), [0.0, -1e9, 1e9]]
    ).astype(np.float32)
    weights = np.random.default_rng(0).random(len(scores)).astype(np.float32)
    x = scores.astype(np.float64)
    for label in (0, 1):
        found = scores.copy()
        bits, parts = np.zeros(len(x), np.int32), np.zeros(len(x), np.float32)
        rate, memory = np.float32(0.5), (bits, bits.view(np.float32), parts)
        alone = [
            judge(scores[i : i + 1].copy(), label, np.ones(1, np.float32), 1, rate, memory)
            for i in range(len(x))
        ]
        expected = reference.softplus(x if label == 0 else -x)
        np.testing.assert_allclose(alone, expected, rtol=3e-6, atol=3e-6)
        judge(found, label, weights, len(x), rate, memory)
        errors = (label - reference.sigmoid(np.clip(x, -700, 700))) * weights * 0.5
        np.testing.assert_allclose(found, errors, atol=1e-6)


@given(
    st.lists(st.integers(0, 50), min_size=2, max_size=30).filter(lambda x: sum(map(bool, x)) > 1)
)
def test_the_tree_is_a_prefix_code_of_the_least_length(counts):
    starts, nodes, signs = huffman_tree(np.array(counts))
    codes = {}
    for word, (begin, end) in enumerate(pairwise(starts.tolist())):
        assert (end > begin) == (counts[word] > 0)
        if end > begin:
            codes[word] = tuple(signs[begin:end])
            assert nodes[begin] == nodes.max()
    for one in codes.values():
        assert sum(other[: len(one)] == one for other in codes.values()) == 1
    heap = [count for count in counts if count]
    heapq.heapify(heap)
    least = 0
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        least += joined
        heapq.heappush(heap, joined)
    assert sum(counts[word] * len(code) for word, code in codes.items()) == least
    assert nodes.max() == len(codes) - 2
    # What begins alike goes by the same nodes.
    by_prefix = {}
    for word, (begin, _) in enumerate(pairwise(starts.tolist())):
        for depth in range(len(codes.get(word, ()))):
            prefix = codes[word][:depth]
            assert by_prefix.setdefault(prefix, nodes[begin + depth]) == nodes[begin + depth]
    assert len(set(by_prefix.values())) == len(by_prefix)


def test_the_tree_is_that_of_gensim_where_no_two_counts_are_equal():
    from gensim.models import Word2Vec

    counts = np.array([3, 5, 10, 23, 47, 100, 201, 500, 77])
    model = Word2Vec(hs=1, negative=0, min_count=1, vector_size=4)
    model.build_vocab_from_freq({f"w{i}": int(n) for i, n in enumerate(counts)})
    starts, nodes, signs = huffman_tree(counts)
    for i in range(len(counts)):
        row = model.wv.key_to_index[f"w{i}"]
        own = slice(starts[i], starts[i + 1])
        assert len(model.wv.get_vecattr(row, "code")) == len(signs[own])
        assert nodes[own].tolist() == model.wv.get_vecattr(row, "point").tolist()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40).filter(lambda x: sum(x) > 1e-3))
def test_words_are_drawn_by_their_weights(weights):
    values = np.array(weights)
    accept, alias = alias_tables(values)
    chances = accept.astype(np.float64).copy()
    np.add.at(chances, alias, 1 - accept.astype(np.float64))
    np.testing.assert_allclose(chances / len(values), values / values.sum(), atol=1e-6)
    assert not accept[values == 0].any()


def test_draws_are_those_of_the_reference_and_even():
    state, slow = np.array([99], np.uint64), reference.Draws(99)
    drawn = [draws.below(state, 10) for _ in range(2000)]
    assert drawn == [slow.below(10) for _ in range(2000)]
    assert np.bincount(drawn).min() > 140
