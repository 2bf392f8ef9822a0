"""GloVe: one tile against NumPy, threads, and what no corpus may do to it."""

from __future__ import annotations

import numpy as np
import pytest

from gloze.core.errors import ConfigError
from gloze.core.rng import derive
from gloze.kernels.glove import Origin, Side, glove_piece
from gloze.objectives.counts import GloVeConfig
from gloze.objectives.glove import GloVe
from tests.kernels.reference import Draws
from tests.objectives.test_svd import write_counts

SIZE = 5


def sides(words, seed=0):
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(2):
        vectors = np.zeros((words, 16), np.float32)
        vectors[:, :SIZE] = draw.standard_normal((words, SIZE))
        squares = 1 + draw.random((words, 16)).astype(np.float32)
        biases = draw.standard_normal(words).astype(np.float32)
        found.append(Side(vectors, biases, squares, 1 + draw.random(words).astype(np.float32)))
    return found


def mix(order, begin, end, draws):
    for i in range(end - 1, begin, -1):
        j = begin + draws.below(i + 1 - begin)
        order[i], order[j] = order[j], order[i]


def move(x, y, i, j, error, rate):
    """Take AdaGrad's step for one error, in float64."""
    dx, dy = error * y[0][j], error * x[0][i]
    x[2][i] += dx**2
    y[2][j] += dy**2
    x[0][i] -= rate * dx / np.sqrt(x[2][i])
    y[0][j] -= rate * dy / np.sqrt(y[2][j])
    for side, at in ((x, i), (y, j)):
        side[3][at] += error**2
        side[1][at] -= rate * error / np.sqrt(side[3][at])


def plain(pairs, logs, weights, x, y, rate, state, symmetric):
    """Do what the kernel does, line by line."""
    draws, count, loss = Draws(state), len(logs), 0.0
    starts = [*np.flatnonzero(np.diff(pairs[0], prepend=-1)).tolist(), count]
    lines, order = list(range(len(starts) - 1)), list(range(count))
    mix(lines, 0, len(lines), draws)
    for line in lines:
        mix(order, starts[line], starts[line + 1], draws)
        for at in order[starts[line] : starts[line + 1]]:
            ways = [tuple(pairs[:, at])]
            if symmetric and ways[0][0] != ways[0][1]:
                ways.insert(0, ways[0][::-1])
            errors = [x[0][i] @ y[0][j] + x[1][i] + y[1][j] - logs[at] for i, j in ways]
            for (i, j), error in zip(ways, errors, strict=True):
                loss += 0.5 * weights[at] * error**2
                move(x, y, i, j, weights[at] * error, rate)
    return loss


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_piece_is_learned_as_numpy_does_it(symmetric):
    draw = np.random.default_rng(1)
    first, second = np.nonzero(np.triu(draw.random((12, 12)) < 0.4)[4:])
    first += 4
    pairs = np.stack([first, second])
    logs = draw.standard_normal(len(first)).astype(np.float32)
    weights = draw.random(len(first)).astype(np.float32)
    x, y = sides(12)
    wanted = [[array.astype(np.float64) for array in side] for side in (x, y)]
    state = derive("tile", 0) | 1
    loss = plain(pairs, logs, weights, *wanted, 0.05, state, symmetric)
    tile, how = Origin(4, 0, 5), (np.float32(0.05), np.array([state], np.uint64), symmetric)
    places = ((pairs[0] - tile.first << tile.bits) | pairs[1]).astype(np.uint32)
    found = glove_piece(places, tile, logs, weights, x, y, *how)
    assert found == pytest.approx(loss, rel=1e-5)
    for side, other in zip((x, y), wanted, strict=True):
        for array, plain_array in zip(side, other, strict=True):
            np.testing.assert_allclose(array, plain_array, rtol=1e-5, atol=2e-6)
    # What only fills up a row stays zero.
    assert not x.vectors[:, SIZE:].any()


def counts_of(folder, words=3000, symmetric=True):
    draw = np.random.default_rng(0)
    ranks = np.arange(1, words + 1)
    dense = draw.poisson(40 / np.sqrt(np.outer(ranks, ranks)))
    return write_counts(folder, dense + dense.T, symmetric)


def train(counts, epochs=2, threads=1, group_pairs=20_000, rate=0.05, **config):
    tables = GloVe(
        GloVeConfig(**config),
        counts,
        size=SIZE,
        seed=0,
        group_pairs=group_pairs,
        threads=threads,
    )
    losses = []
    for epoch in range(epochs):
        sums = np.zeros(2)
        for group in range(len(tables.groups)):
            sums += tables.train(group, rate, epoch)
        losses.append(sums[0] / sums[1])
    return tables, losses


def test_threads_change_nothing_and_the_loss_falls(tmp_path):
    counts = counts_of(tmp_path / "counts")
    one, losses = train(counts)
    many, same = train(counts, threads=4)
    assert losses == same
    for name, table in one.tensors().items():
        np.testing.assert_array_equal(table, many.tensors()[name])
    assert losses[1] < 0.9 * losses[0]
    assert len(one.groups) > 1


@pytest.mark.parametrize("symmetric", [True, False])
def test_every_count_is_learned_in_every_epoch(tmp_path, symmetric):
    counts = counts_of(tmp_path / "counts", 1200, symmetric)
    tables, _ = train(counts, epochs=0)
    dense = sum(len(values) for *_, values in counts.rows())
    assert sum(tables.pairs(group) for group in range(len(tables.groups))) == dense
    pieces = counts.pieces(1 << 16)
    assert sorted(np.concatenate(tables.groups).tolist()) == list(range(len(pieces)))


@pytest.mark.parametrize("symmetric", [True, False])
def test_pieces_are_the_tiles_cut_by_rows(tmp_path, symmetric):
    counts = counts_of(tmp_path / "counts", 1200, symmetric)
    layout = counts.layout
    pieces = counts.pieces(50_000)
    assert len({piece.tile for piece in pieces}) < len(pieces)
    at = 0
    for piece in pieces:
        assert piece.pairs.start == at
        at = piece.pairs.stop
        places, values = counts.places(piece)
        first, second = layout.words_at(piece.tile, places)
        twice = np.count_nonzero(first != second) if symmetric else 0
        assert piece.errors == len(values) + twice
        strips = np.concatenate([first, second]) >> layout.bits - 3
        assert all(piece.strips >> int(strip) & 1 for strip in np.unique(strips))
    assert at == len(counts)


def test_it_comes_to_the_logarithm_of_the_counts(tmp_path):
    """Counts that are products of two numbers have an exact answer."""
    shares = np.array([9, 4, 3, 2, 2, 1])
    counts = write_counts(tmp_path / "counts", 4 * np.outer(shares, shares), True)
    _, losses = train(counts, epochs=600, x_max=1.0, rate=0.5)
    assert losses[-1] < 1e-5


@pytest.mark.parametrize("rate", [0.05, 10.0, 1e4])
@pytest.mark.parametrize("largest", [1, 10**6, 10**18])
def test_no_corpus_and_no_rate_makes_it_blow_up(tmp_path, largest, rate):
    for name, dense in (
        ("one", np.array([[largest]])),
        ("two", np.array([[0, largest], [largest, 0]])),
        ("uneven", np.array([[largest, 1], [1, 1]])),
    ):
        counts = write_counts(tmp_path / name, dense, True)
        tables, losses = train(counts, epochs=20, rate=rate)
        assert np.isfinite(losses).all()
        assert all(np.isfinite(table).all() for table in tables.tensors().values())


@pytest.mark.parametrize("setting", [{"x_max": 0.0}, {"alpha": -1.0}, {"x_max": float("nan")}])
def test_impossible_settings_are_refused(setting):
    [name] = setting
    with pytest.raises(ConfigError, match=rf"glove\.{name} is .*; it must be over 0"):
        GloVeConfig(**setting)
