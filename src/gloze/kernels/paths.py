"""Rows of the nodes on the path to a word.

Every path begins at the root. CBOW, which changes a path after a few products, would have threads
wait for each other's writes to the highest nodes: there each has copies of them, and brings its
changes in from time to time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy.typing as npt

from gloze.kernels.compiled import kernel, part

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
        for k in range(table.shape[1]):
            out[j, k] = sign * table[node, k]


@part
def scatter_path(table, tree, begin, count, change):  # type: ignore[no-untyped-def]
    """Add to the rows of the nodes on a path what has come of their copies."""
    for j in range(count):
        node, sign = tree.nodes[begin + j], tree.signs[begin + j]
        for k in range(table.shape[1]):
            table[node, k] += sign * change[j, k]


@part
def gather_path_of(table, top, tree, begin, count, out):  # type: ignore[no-untyped-def]
    """Do as :func:`gather_path`, with the highest nodes out of their copies."""
    for j in range(count):
        node, sign = tree.nodes[begin + j], tree.signs[begin + j]
        if node >= top.first:
            for k in range(table.shape[1]):
                out[j, k] = sign * top.rows[node - top.first, k]
        else:
            for k in range(table.shape[1]):
                out[j, k] = sign * table[node, k]


@part
def add_to_node(table, top, node, scale, change, j):  # type: ignore[no-untyped-def]
    """Add ``scale * change[j]`` to the row of a node."""
    if node >= top.first:
        for k in range(table.shape[1]):
            top.rows[node - top.first, k] += scale * change[j, k]
    else:
        for k in range(table.shape[1]):
            table[node, k] += scale * change[j, k]
