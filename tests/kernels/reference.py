"""word2vec in plain NumPy and Python integers: what the kernels must come to.

Slow and in float64. It draws the same random numbers in the same order, and takes the same steps:
a block of positions with common noise words, or node by node.
"""

from __future__ import annotations

import numpy as np

from gloze.kernels.draws import KEPT_AT_ONCE
from gloze.kernels.skipgram import BLOCK

MASK = (1 << 64) - 1


class Draws:
    """xorshift64*."""

    def __init__(self, state):
        self.state = state

    def bits(self):
        s = self.state
        s ^= s >> 12
        s ^= (s << 25) & MASK
        s ^= s >> 27
        self.state = s
        return (s * 0x2545F4914F6CDD1D) & MASK

    def uniform(self):
        return (self.bits() >> 40) / 2**24

    def below(self, high):
        return ((self.bits() >> 32) * high) >> 32


def softplus(x):
    return np.logaddexp(0, x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def groups(tokens, ends, first, keep, rates, draws):
    """Yield kept words of some sentences, the bounds of each one's sentence, and the rate there."""
    begin, kept, bounds, rate = 0, [], [], rates[0]
    for end in ends.tolist():
        found = [
            word
            for word in tokens[begin:end].tolist()
            if word >= first and (keep[word] >= 1 or draws.uniform() < keep[word])
        ]
        begin = end
        # Alone a word has nothing to be predicted from.
        if len(found) > 1:
            bounds += [(len(kept), len(kept) + len(found))] * len(found)
            kept += found
        if len(kept) >= KEPT_AT_ONCE:
            yield kept, bounds, rate
            kept, bounds, rate = [], [], rates[0] + (rates[1] - rates[0]) * begin / ends[-1]
    if kept:
        yield kept, bounds, rate


def noise_words(draws, accept, alias, count):
    found = []
    for _ in range(count):
        word = draws.below(len(accept))
        found.append(word if draws.uniform() < accept[word] else int(alias[word]))
    return found


def around(bounds, i, reach):
    low, high = bounds[i]
    return [j for j in range(max(low, i - reach), min(high, i + reach + 1)) if j != i]


def negative(kind, tokens, ends, first, keep, inner, outer, window, dynamic, rates, state, accept,
             alias, negatives, shared, divided=False):  # fmt: skip
    """Skip-gram or CBOW against noise; changes the tables, returns loss and predictions."""
    draws, loss, predictions = Draws(state), 0.0, 0
    for kept, bounds, rate in groups(tokens, ends, first, keep, rates, draws):
        for start in range(0, len(kept), BLOCK):
            block = range(start, min(start + BLOCK, len(kept)))
            noise = noise_words(draws, accept, alias, shared)
            changes = []
            for i in block:
                reach = 1 + draws.below(window) if dynamic else window
                beside = around(bounds, i, reach)
                asked = [kept[j] for j in beside] if kind == "skipgram" else [kept[i]]
                given = [kept[i]] if kind == "skipgram" else [kept[j] for j in beside]
                x = inner[given].mean(axis=0)
                weight = len(asked) * negatives / shared
                good, bad = outer[asked] @ x, outer[noise] @ x
                loss += softplus(-good).sum() + weight * softplus(bad).sum()
                predictions += len(asked)
                e, f = rate * (1 - sigmoid(good)), -rate * weight * sigmoid(bad)
                dx = e @ outer[asked] + f @ outer[noise]
                part = len(given) if kind == "cbow" and divided else 1
                changes += [(inner, word, dx / part) for word in given]
                changes += [(outer, word, each * x) for word, each in zip(asked, e, strict=True)]
                changes += [(outer, word, each * x) for word, each in zip(noise, f, strict=True)]
            if rate > 0:
                for table, row, change in changes:
                    table[row] += change
    return loss, predictions


def hierarchical(kind, tokens, ends, first, keep, inner, outer, window, dynamic, rates, state,
                 starts, nodes, signs, divided=False):  # fmt: skip
    """Skip-gram or CBOW by turns in a tree."""
    draws, loss, predictions = Draws(state), 0.0, 0
    for kept, bounds, rate in groups(tokens, ends, first, keep, rates, draws):
        for start in range(0, len(kept), BLOCK):
            block = range(start, min(start + BLOCK, len(kept)))
            first_bound, last_bound = bounds[start][0], bounds[block[-1]][1]
            span = range(max(first_bound, start - window), min(last_bound, block[-1] + 1 + window))
            # Copies of the rows: skip-gram's move within the block, CBOW's at its end.
            rows = {j: inner[kept[j]].copy() for j in span}
            moved = {j: np.zeros(inner.shape[1]) for j in span}
            for i in block:
                reach = 1 + draws.below(window) if dynamic else window
                beside = around(bounds, i, reach)
                path = slice(starts[kept[i]], starts[kept[i] + 1])
                on, sign = nodes[path], signs[path].astype(np.float64)
                given = [[j] for j in beside] if kind == "skipgram" else [beside]
                dy = np.zeros((len(on), inner.shape[1]))
                for group in given:
                    x = np.mean([rows[j] for j in group], axis=0)
                    score = sign * (outer[on] @ x)
                    loss += softplus(-score).sum()
                    predictions += 1
                    e = rate * (1 - sigmoid(score)) * sign
                    dx = e @ outer[on]
                    dy += np.outer(e, x)
                    part = len(group) if divided else 1
                    for j in group:
                        moved[j] += dx / part
                if rate > 0:
                    outer[on] += dy
                    if kind == "skipgram":
                        for j in beside:
                            rows[j] = inner[kept[j]] + moved[j]
            if rate > 0:
                for j in span:
                    inner[kept[j]] += moved[j]
    return loss, predictions
