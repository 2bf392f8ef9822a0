"""Rows of the nodes on the path to a word.

Every path begins at the root. CBOW, which changes a path after a few products, would have threads
wait for each other's writes to the highest nodes: there each has copies of them, and brings its
changes in from time to time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gloze.kernels.compiled import kernel, part
from gloze.kernels.lanes import LANES, add_product, load, splat, store, times

_COPIED = 256
# Blocks after which changes are brought in.
SHARE_EVERY = 32


class Top(NamedTuple):
    """Copies of the highest nodes, which are those of the highest numbers.

    Attributes:
        rows: theirs, which change.
        copied: as they were copied.
        first: the lowest number of them.
    """

    rows: npt.NDArray[Any]
    copied: npt.NDArray[Any]
    first: int


@kernel
def longest_path(starts):  # type: ignore[no-untyped-def]
    """Return the number of turns to the rarest word."""
    found = 0
    for word in range(len(starts) - 1):
        found = max(found, starts[word + 1] - starts[word])
    return found


@part
def flags_of(count):  # type: ignore[no-untyped-def]
    """Return so many ones, and zeros for what fills up the last vector after any of them."""
    flags = np.zeros(count + LANES, np.float32)
    flags[:count] = 1
    return flags


@part
def whole_lanes(count):  # type: ignore[no-untyped-def]
    """Return the numbers of as many vectors as hold ``count``."""
    return (count + LANES - 1) // LANES * LANES


@kernel
def copy_top(table, nodes):  # type: ignore[no-untyped-def]
    """Copy the highest nodes of a tree."""
    count = 0
    for node in nodes:
        count = max(count, node + 1)
    first = max(0, count - _COPIED)
    rows = table[first:count].copy()
    return Top(rows, rows.copy(), first)


@kernel
def bring_in(table, top):  # type: ignore[no-untyped-def]
    """Add the changes of copies to their rows, and copy these anew."""
    for i in range(len(top.rows)):
        row = top.first + i
        for k in range(table.shape[1]):
            table[row, k] += top.rows[i, k] - top.copied[i, k]
            top.rows[i, k] = table[row, k]
            top.copied[i, k] = table[row, k]


@part
def gather_path(table, tree, begin, count, out):  # type: ignore[no-untyped-def]
    """Copy the rows of the nodes on a path, turned round where the code of the turn is 1."""
    for j in range(count):
        node, sign = tree.nodes[begin + j], tree.signs[begin + j]
        _copy(table, node, sign, out, j)


@part
def _copy(table, row, sign, out, j):  # type: ignore[no-untyped-def]
    for k in range(0, table.shape[1], LANES):
        store(out, j, k, times(splat(sign), load(table, row, k)))


@part
def scatter_path(table, tree, begin, count, change):  # type: ignore[no-untyped-def]
    """Add to the rows of the nodes on a path what has come of their copies."""
    for j in range(count):
        node, sign = tree.nodes[begin + j], tree.signs[begin + j]
        _add(table, node, sign, change, j)


@part
def _add(table, row, scale, change, j):  # type: ignore[no-untyped-def]
    for k in range(0, table.shape[1], LANES):
        store(table, row, k, add_product(load(table, row, k), splat(scale), load(change, j, k)))


@part
def in_top(top, tree, begin, count):  # type: ignore[no-untyped-def]
    """Return how many nodes of a path, which come first in it, are copied."""
    many = 0
    while many < count and tree.nodes[begin + many] >= top.first:
        many += 1
    return many


@part
def gather_path_of(table, top, tree, begin, count, many, out):  # type: ignore[no-untyped-def]
    """Do as :func:`gather_path`, with the first ``many`` nodes out of their copies."""
    for j in range(many):
        _copy(top.rows, tree.nodes[begin + j] - top.first, tree.signs[begin + j], out, j)
    for j in range(many, count):
        _copy(table, tree.nodes[begin + j], tree.signs[begin + j], out, j)


@part
def scatter_path_of(table, top, tree, begin, count, many, errors, h, i):  # type: ignore[no-untyped-def]
    """Add row i of ``h`` times its error to each node of a path; as :func:`gather_path_of`."""
    for j in range(many):
        scale = errors[j] * tree.signs[begin + j]
        _add(top.rows, tree.nodes[begin + j] - top.first, scale, h, i)
    for j in range(many, count):
        _add(table, tree.nodes[begin + j], errors[j] * tree.signs[begin + j], h, i)
