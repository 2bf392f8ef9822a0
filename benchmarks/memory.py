"""Peak memory of ``gloze tokenizer`` and ``gloze prepare`` by the size of the corpus.

With ``--vectors`` of word vectors, an epoch or none of each recipe on 50,000 words.

The corpora are made from real books by repetition with variation: in every copy some words get
an ending of their own, so that the number of different words grows as it does in real text.

Example: python benchmarks/memory.py ../shared/data/openstax --megabytes 100 1000
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIED_RATE = 0.005
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def make_corpus(books: Path, path: Path, size: int) -> None:
    """Write about ``size`` bytes of the books, over and over with variation."""
    chance = random.Random(0)
    texts = [gzip.decompress(b.read_bytes()).decode() for b in sorted(books.glob("*.gz"))]
    written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            for text in texts:
                words = text.split(" ")
                for place in chance.sample(range(len(words)), int(len(words) * VARIED_RATE)):
                    words[place] += "".join(chance.choices(LETTERS, k=4))
                varied = " ".join(words) + "\n\n"
                written += file.write(varied)
                if written >= size:
                    return


def measure(arguments: Sequence[str]) -> tuple[float, float, float]:
    """Run gloze; return the seconds, and the most memory of its processes in MB.

    First what the system cannot take back, then the same and the pages of mapped files.
    """
    started_at = time.monotonic()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from gloze.cli import main; sys.exit(main())",
            *arguments,
        ],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    own = whole = 0.0
    while process.poll() is None:
        found = session_megabytes(process.pid)
        own, whole = max(own, found[0]), max(whole, found[1])
        time.sleep(0.02)
    if process.returncode:
        sys.exit(f"gloze {' '.join(arguments)} ended with {process.returncode}")
    return time.monotonic() - started_at, own, whole


def session_megabytes(session: int) -> tuple[float, float]:
    """Return what all processes of a session hold, without and with the pages of mapped files.

    Shared pages are counted once.
    """
    mapped = whole = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                rollup = (process / "smaps_rollup").read_text()
                whole += int(rollup.partition("Pss:")[2].split()[0])
                mapped += int(rollup.partition("Pss_File:")[2].split()[0])
        except (OSError, ValueError, IndexError):  # it has just ended
            continue
    return (whole - mapped) / 1024, whole / 1024


def commands_of_vectors(corpus: Path, folder: Path) -> dict[str, list[str]]:
    """Return what trains word vectors, after what it needs."""
    vocab, shards = folder / f"words-{corpus.stem}", folder / f"shards-{corpus.stem}"
    kind = ["--kind", "words", "--vocab-size", "50000"]
    made = {
        "tokenizer --kind words": ["tokenizer", str(corpus), "-o", str(vocab), *kind],
        "prepare": ["prepare", str(corpus), "--tokenizer", str(vocab), "-o", str(shards)],
    }
    for recipe in ("skip-gram", "cbow", "glove", "ppmi-svd"):
        run = str(folder / f"{recipe}-{corpus.stem}")
        made[f"pretrain {recipe}"] = ["pretrain", recipe, "--shards", str(shards), "-o", run]
        if recipe != "ppmi-svd":
            made[f"pretrain {recipe}"] += ["--set", "training.epochs=1"]
        if recipe in ("glove", "ppmi-svd"):
            made[f"pretrain {recipe}"] += ["--set", "sampler.memory_megabytes=256"]
    return made


def rows(
    books: Path, megabytes: Sequence[int], folder: Path, *, vectors: bool
) -> list[dict[str, Any]]:
    """Measure every command on every size."""
    result: list[dict[str, Any]] = []
    for size in megabytes:
        corpus, vocab = folder / f"{size}.txt", folder / f"vocab-{size}"
        make_corpus(books, corpus, size * 1_000_000)
        base = ["prepare", str(corpus), "--tokenizer", str(vocab), "-o"]
        commands = {
            "tokenizer": ["tokenizer", str(corpus), "-o", str(vocab), "--vocab-size", "30000"],
            "prepare": [*base, str(folder / f"one-{size}")],
            "prepare --workers 2": [*base, str(folder / f"two-{size}"), "--workers", "2"],
        }
        if vectors:
            commands = commands_of_vectors(corpus, folder)
        for name, arguments in commands.items():
            seconds, own, whole = measure(arguments)
            rate = round(corpus.stat().st_size / 1e6 / seconds, 1)
            figures = {"peak_mb": round(own), "with_mapped_mb": round(whole)}
            figures |= {"seconds": round(seconds, 1), "mb_per_second": rate}
            result.append({"command": name, "corpus_mb": size, **figures})
        corpus.unlink()
    return result


def main() -> None:
    """Print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("books", type=Path, help="folder of .txt.gz files")
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--folder", type=Path, help="where to make the corpora (a temporary one)")
    parser.add_argument("--vectors", action="store_true", help="measure word vectors instead")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        measured = rows(given.books, given.megabytes, Path(folder), vectors=given.vectors)
    head = "command", "corpus MB", "peak MB", "with mapped files", "seconds", "MB/s"
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [f"| {' | '.join(str(value) for value in row.values())} |" for row in measured]
    machine = {"machine": platform.platform(), "cores": os.cpu_count(), "rows": measured}
    sys.stdout.write("\n".join([*lines, json.dumps(machine)]) + "\n")


if __name__ == "__main__":
    main()
