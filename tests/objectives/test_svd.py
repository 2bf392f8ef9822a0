"""The SVD of weighted counts: against NumPy and SciPy, and what weights are."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from gloze.core.errors import ConfigError
from gloze.data.pair_counts import Layout, PairCounts, writing_pairs
from gloze.objectives.association import Sparse, association
from gloze.objectives.counts import SVDConfig
from gloze.objectives.svd import dense_svd, is_small, truncated_svd


def nothing(_):
    return None


def svd_of(matrix, size, seed=0):
    matrix = matrix.astype(np.float32)
    return truncated_svd(
        lambda x: matrix @ x, lambda x: matrix.T @ x, matrix.shape, size, seed, nothing
    )


def falling(rows, columns, values, seed=0):
    """Return a matrix of known singular values and vectors."""
    draw = np.random.default_rng(seed)
    left, right = (np.linalg.qr(draw.standard_normal((n, len(values))))[0] for n in (rows, columns))
    return (left * values) @ right.T, left, right


def equal_but_for_signs(found, wanted, tolerance):
    cosines = np.abs((found * wanted).sum(axis=0))
    np.testing.assert_allclose(cosines, 1, atol=tolerance)


def test_the_vectors_are_those_of_scipy_but_for_their_signs():
    draw = np.random.default_rng(0)
    matrix = scipy.sparse.random(1500, 1300, 0.02, "csr", np.float64, draw)
    # Frequent words first.
    matrix = matrix.multiply(1 / np.sqrt(np.arange(1, 1501))[:, None]).tocsr()
    left, values, right = scipy.sparse.linalg.svds(matrix, 40, v0=np.ones(1300))
    order = np.argsort(-values)
    found = svd_of(matrix, 40)
    np.testing.assert_allclose(found.values, values[order], rtol=1e-5)
    equal_but_for_signs(found.left, left[:, order], 1e-4)
    equal_but_for_signs(found.right, right[order].T, 1e-4)
    assert found.residual <= 3e-6


@pytest.mark.parametrize("rows", [900, 1400])
def test_slowly_falling_values_take_restarts_and_come_out(rows):
    values = np.concatenate([np.linspace(3, 2, 30), np.linspace(1.9, 0.5, 800)])
    matrix, _, _ = falling(rows, 1100, values)
    products = []
    matrix = matrix.astype(np.float32)
    found = truncated_svd(
        lambda x: matrix @ x, lambda x: matrix.T @ x, matrix.shape, 30, 1, products.append
    )
    np.testing.assert_allclose(found.values, values[:30], rtol=1e-4)
    np.testing.assert_allclose(found.left.T @ found.left, np.eye(30), atol=1e-4)
    assert len(products) > 3


def test_a_matrix_of_few_dimensions_has_zeros_for_the_rest():
    matrix, left, _ = falling(900, 900, np.array([5.0, 4.0, 3.0]))
    found = svd_of(matrix, 8)
    np.testing.assert_allclose(found.values, [5, 4, 3, 0, 0, 0, 0, 0], atol=1e-4)
    equal_but_for_signs(found.left[:, :3], left, 1e-5)
    assert np.isfinite(found.left).all()


def test_the_same_seed_gives_the_same_bytes_and_signs_do_not_depend_on_it():
    matrix, _, _ = falling(700, 700, np.linspace(9, 1, 200))
    first, second, other = (svd_of(matrix, 16, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.left, second.left)
    np.testing.assert_allclose(first.left, other.left, atol=1e-3)
    whole = dense_svd(matrix, 16)
    np.testing.assert_allclose(first.left, whole.left, atol=1e-3)
    np.testing.assert_allclose(first.right, whole.right, atol=1e-3)


def test_small_matrices_are_taken_whole():
    assert is_small((2000, 2000), 10)
    assert is_small((3000, 3000), 700)
    assert not is_small((3000, 3000), 100)


@pytest.mark.parametrize("threads", [1, 3])
def test_products_are_those_of_scipy(threads):
    draw = np.random.default_rng(0)
    matrix = scipy.sparse.random(70, 70, 0.1, "csr", np.float32, draw)
    own = Sparse(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data)
    x = draw.standard_normal((70, 16)).astype(np.float32)
    np.testing.assert_allclose(own.multiply(x, threads), matrix @ x, atol=1e-5)
    np.testing.assert_array_equal(own.dense(), matrix.todense())


def write_counts(folder, dense, symmetric):
    """Write a matrix of whole counts as the counts of pairs."""
    folder.mkdir()
    layout = Layout(len(dense), symmetric)
    first, second = np.nonzero(np.triu(dense) if symmetric else dense)
    keys = layout.keys(first, second)
    order = np.argsort(keys)
    with writing_pairs(folder, layout, 1, np.arange(len(dense)), 1000) as writer:
        writer.add(keys[order], dense[first, second][order].astype(np.uint64))
    return PairCounts(folder)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("words", [30, 1500])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"context_power": 1.0, "shift": 5.0},
        {"weighting": "pmi", "shift": 2.0},
        {"weighting": "log"},
        {"weighting": "raw"},
    ],
)
def test_weights_are_those_of_the_formulas(tmp_path, words, symmetric, settings):
    draw = np.random.default_rng(0)
    dense = draw.poisson(30 / np.sqrt(np.outer(np.arange(1, words + 1), np.arange(1, words + 1))))
    dense = dense + dense.T if symmetric else dense
    dense[0, 1:] += 1
    dense[1:, 0] += 1
    counts, config = write_counts(tmp_path / "counts", dense, symmetric), SVDConfig(**settings)
    found = association(counts, config, tmp_path).dense()
    with np.errstate(divide="ignore"):
        contexts = dense.sum(axis=0) ** config.context_power
        shares = dense.sum(axis=1)[:, None] * (contexts / contexts.sum())
        pmi = np.log(dense / shares / config.shift)
    wanted = {
        "ppmi": np.where(dense > 0, np.maximum(pmi, 0), 0),
        "pmi": np.where(dense > 0, pmi, 0),
        "log": np.log1p(dense),
        "raw": dense,
    }[config.weighting]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    transposed = association(counts, config, tmp_path, transposed=True).dense()
    np.testing.assert_array_equal(transposed, found.T)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shift": 0.0}, r"svd\.shift is 0.0; it must be over 0"),
        ({"exponent": 2.0}, "must be from 0 to 1"),
        ({"context_power": -1.0}, "must be from 0 to 1"),
        ({"weighting": "raw", "shift": 2.0}, "belongs to pointwise mutual information"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        SVDConfig(**settings)
