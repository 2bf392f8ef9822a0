"""Huffman's tree over a vocabulary, for hierarchical softmax."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Tree(NamedTuple):
    """The ways from the root to the words.

    Attributes:
        starts: where the path of each word begins, and the end of the last, [words + 1].
        nodes: of all paths end to end, the root of each first, [turns].
        signs: of each turn from a node, 1 if its code is 0 and -1 if it is 1, [turns].
    """

    starts: npt.NDArray[np.int64]
    nodes: npt.NDArray[np.int64]
    signs: npt.NDArray[np.float32]


def huffman_tree(counts: npt.NDArray[np.int64]) -> Tree:
    """Return the Huffman tree of a vocabulary.

    Ties are broken as in the first program of word2vec: words from the rarest on, and of equals a
    node before a word.

    Args:
        counts: how often each word is met, [words]; a word that never is has no path.
    """
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    parents, codes = _tree(counts[order].tolist())
    lengths = np.zeros(len(counts), np.int64)
    each: dict[int, tuple[list[int], list[float]]] = {}
    size = len(order)
    for place, word in enumerate(order.tolist()):
        nodes, signs, at = [], [], place
        while at < 2 * size - 2:
            signs.append(-1.0 if codes[at] else 1.0)
            at = parents[at]
            nodes.append(at - size)
        each[word] = nodes[::-1], signs[::-1]
        lengths[word] = len(nodes)
    words = sorted(each)
    starts = np.append(0, np.cumsum(lengths))
    nodes_found = np.array([node for word in words for node in each[word][0]], np.int64)
    signs_found = np.array([sign for word in words for sign in each[word][1]], np.float32)
    return Tree(starts, nodes_found, signs_found)


def _tree(counts: list[int]) -> tuple[list[int], list[int]]:
    """Return parent and code of each word and node, given falling counts.

    Two queues suffice: words from the rarest up, and nodes in the order they were made.
    """
    size = len(counts)
    weights = counts + [0] * max(size - 1, 0)
    parents, codes = [0] * len(weights), [0] * len(weights)
    word, node = size - 1, size

    def lightest(made: int) -> int:
        nonlocal word, node
        if word >= 0 and (node >= made or weights[word] < weights[node]):
            word -= 1
            return word + 1
        node += 1
        return node - 1

    for made in range(size, 2 * size - 1):
        first, second = lightest(made), lightest(made)
        weights[made] = weights[first] + weights[second]
        parents[first] = parents[second] = made
        codes[second] = 1
    return parents, codes
