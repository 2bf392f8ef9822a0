"""Counting which words stand together, and GloVe: words and counts a second.

Counting (10 words to each side, 1/distance) to the finished file, beside sparse matrices of SciPy
added up a block at a time. GloVe from the same counts, beside a plain compiled loop that does what
the published program does: every count both ways, all shuffled, in double precision, one at a time.

    python -m benchmarks.glove SHARDS
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import count, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.sides import measure, report

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST, WINDOW = 5, 10


def counting(shards: str, threads: int, folder: str) -> Any:
    """Return what counts the pairs of a corpus, and its number of words."""
    from gloze.data.cooccurrence import CooccurrenceConfig
    from gloze.data.counts import count_tokens
    from gloze.data.pair_counting import PairCounting
    from gloze.data.pair_counts import Layout
    from gloze.data.shards import Shards

    train = Shards.open(Path(shards), "train", verify=False)
    counts = count_tokens(train)
    counts[:FIRST] = 0
    ids = np.argsort(-counts, kind="stable")
    ids = ids[counts[ids] > 0]
    config, layout = CooccurrenceConfig(size=WINDOW), Layout(len(ids), is_symmetric=True)

    def run(number: int) -> Path:
        output = Path(folder) / f"counts-{threads}-{number}"
        work = Path(folder) / f"work-{threads}-{number}"
        made = PairCounting(train, config, ids, layout, work, threads)
        made.run(lambda *_: None)
        made.merge(output, lambda *_: None)
        return output

    return run, float(counts.sum())


def counting_side(*, shards: str, threads: int, folder: str) -> Callable[[], float]:
    """Count the whole corpus a step."""
    run, words = counting(shards, threads, folder)
    numbers = count()

    def step() -> float:
        run(next(numbers))
        return words

    return step


def scipy_side(*, shards: str) -> Callable[[], float]:
    """Add up sparse matrices, one for each distance in each block."""
    import scipy.sparse as sparse

    from gloze.data.shards import Shards
    from gloze.data.window import Blocks

    train = Shards.open(Path(shards), "train", verify=False)

    def pairs_of(block: Any) -> Any:
        is_word = block.tokens >= FIRST
        tokens = block.tokens[is_word]
        owners = np.repeat(np.arange(len(block.ends)), np.diff(block.ends, prepend=0))[is_word]
        size = train.vocab_size
        found = sparse.csr_matrix((size, size))
        for d in range(1, WINDOW + 1):
            same = owners[d:] == owners[:-d]
            first, second = np.sort([tokens[d:][same], tokens[:-d][same]], axis=0)
            values = np.full(len(first), 1 / d)
            found += sparse.coo_matrix((values, (first, second)), shape=(size, size)).tocsr()
        return found

    def step() -> float:
        total, words = sparse.csr_matrix((train.vocab_size, train.vocab_size)), 0.0
        for block in Blocks(train, "sentence", 1 << 20):
            total += pairs_of(block)
            words += float(np.count_nonzero(block.tokens >= FIRST))
        return words

    return step


def glove_side(*, counts: str, size: int, threads: int) -> Callable[[], float]:
    """Learn all counts a step."""
    from gloze.data.pair_counts import PairCounts
    from gloze.objectives.counts import GloVeConfig
    from gloze.objectives.glove import GloVe

    tables = GloVe(
        GloVeConfig(),
        PairCounts(Path(counts)),
        size=size,
        seed=0,
        group_pairs=1 << 20,
        threads=threads,
    )
    epochs = count()

    def step() -> float:
        epoch = next(epochs)
        groups = range(len(tables.groups))
        return float(sum(tables.train(group, 0.05, epoch)[1] for group in groups))

    return step


def plain_side(*, counts: str, size: int) -> Callable[[], float]:
    """Learn a million of all counts, shuffled, a step."""
    from gloze.data.pair_counts import PairCounts
    from gloze.kernels.compiled import kernel

    opened = PairCounts(Path(counts))
    words = opened.layout.words
    first, second, values = (np.concatenate(each) for each in zip(*opened.rows(), strict=True))
    logs, weights = np.log(values), np.minimum(1, (values / 100) ** 0.75)
    draw = np.random.default_rng(0)
    x, y = ((draw.random((words, size + 1)) - 0.5) / size for _ in range(2))
    dx, dy = np.ones_like(x), np.ones_like(y)

    @kernel
    def learn(order, first, second, logs, weights, x, y, dx, dy):  # type: ignore[no-untyped-def]
        for at in order:
            i, j = first[at], second[at]
            error = x[i, -1] + y[j, -1] - logs[at]
            for k in range(x.shape[1] - 1):
                error += x[i, k] * y[j, k]
            error *= weights[at] * 0.05
            for k in range(x.shape[1] - 1):
                a, b = error * y[j, k], error * x[i, k]
                x[i, k] -= a / np.sqrt(dx[i, k])
                y[j, k] -= b / np.sqrt(dy[j, k])
                dx[i, k] += a * a
                dy[j, k] += b * b
            x[i, -1] -= error / np.sqrt(dx[i, -1])
            y[j, -1] -= error / np.sqrt(dy[j, -1])
            dx[i, -1] += error * error
            dy[j, -1] += error * error

    def step() -> float:
        order = draw.choice(len(first), 1_000_000)
        learn(order, first, second, logs, weights, x, y, dx, dy)
        return float(len(order))

    return step


def main() -> None:
    """Measure both at every number of threads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", type=Path, help="made with a tokenizer of --kind words")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        own: Any = {"shards": str(options.shards)}
        for threads in options.threads:
            sides: Any = {
                "gloze": (counting_side, {**own, "threads": threads, "folder": folder}),
                "scipy": (scipy_side, own),
            }
            found = measure(sides, rounds=options.rounds, seconds=1.0, warmup=1)
            report(f"counting, threads: {threads}", "words", found, {})
        counts = str(counting(str(options.shards), 1, folder)[0](-1))
        for size, threads in product(options.sizes, options.threads):
            sides = {
                "gloze": (glove_side, {"counts": counts, "size": size, "threads": threads}),
                "plain loop": (plain_side, {"counts": counts, "size": size}),
            }
            found = measure(sides, rounds=options.rounds, seconds=1.0, warmup=1)
            report(f"GloVe, {size} numbers, threads: {threads}", "counts", found, {})


if __name__ == "__main__":
    main()
