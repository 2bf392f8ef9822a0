"""The first answer of a large folder of word vectors, by the command line from start to end.

python -m benchmarks.mapped_vectors
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from gloze.vectors.folder import save_vectors
from gloze.vectors.table import WordVectors
from gloze.vectors.words import Words

ROWS_AT_ONCE = 100_000


def write(folder: Path, words: int, size: int) -> None:
    """Write a folder of random vectors."""
    draw = np.random.default_rng(0)
    vectors = np.empty((words, size), np.float32)
    for start in range(0, words, ROWS_AT_ONCE):
        own = vectors[start : start + ROWS_AT_ONCE]
        own[...] = draw.standard_normal(own.shape, dtype=np.float32)
    save_vectors(folder, WordVectors(Words.of(f"word{i}" for i in range(words)), vectors))


def main() -> None:
    """Time the command several times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=int, default=3_000_000)
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "vectors"
        write(folder, options.words, options.size)
        command = [sys.executable, "-m", "gloze", "vectors", "neighbors", str(folder), "word5"]
        for _ in range(options.rounds):
            begun = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            print(f"{time.perf_counter() - begun:.2f} s", flush=True)


if __name__ == "__main__":
    main()
