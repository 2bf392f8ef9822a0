"""All systems of word vectors on the same text: what they are worth, and what they cost.

Each is trained by the command line on the same shards, on one thread: Spearman's correlation and
accuracy times 100, mean and sample deviation over the seeds; the time of the whole command and the
most memory of its process, mapped files not counted.

    python -m benchmarks.static_vectors SHARDS SETS... --out RESULTS.jsonl
    python -m benchmarks.static_vectors --table RESULTS.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.memory import measure
from gloze.metrics.statistics import spread
from gloze.verbs.vectors_evaluate import evaluate_vectors

# Of each the recipe, and settings that suit some million words.
SYSTEMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "counts, PPMI, SVD": ("ppmi-svd", ()),
    "counts, SVD of log counts": ("ppmi-svd", ("objectives.svd.weighting=log",)),
    "NNLM, one epoch": ("nnlm", ("training.epochs=1",)),
    "CBOW, hierarchical softmax": ("cbow-hs", ()),
    "CBOW, negative sampling": ("cbow", ()),
    "skip-gram, hierarchical softmax": ("skip-gram-hs", ()),
    "skip-gram, negative sampling": ("skip-gram", ()),
    "GloVe, x_max 10": ("glove", ("objectives.glove.x_max=10",)),
}


def train(recipe: str, settings: tuple[str, ...], shards: Path, run: Path, seed: int) -> Any:
    """Train a system into a folder; return seconds and megabytes, without mapped files and with."""
    changes = [word for setting in settings for word in ("--set", setting)]
    base = ["pretrain", recipe, "--shards", str(shards), "-o", str(run), "--seed", str(seed)]
    return measure([*base, *changes])


def run(options: argparse.Namespace) -> None:
    """Train and judge what the file of results has not yet."""
    out = Path(options.out)
    known = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    done = {(line["system"], line["seed"]) for line in known}
    for seed, system in product(range(options.seeds), options.systems):
        if (system, seed) in done:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run"
            seconds, megabytes, _ = train(*SYSTEMS[system], options.shards, path, seed)
            judged = evaluate_vectors([path], options.sets)
        [figures] = judged.figures.values()
        shown = {each.set: 100 * (each.value or 0.0) for each in figures}
        line = {"system": system, "seed": seed, "seconds": seconds, "megabytes": megabytes}
        print(json.dumps({**line, "figures": shown}), file=sys.stderr, flush=True)
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "figures": shown}) + "\n")


def table(path: Path) -> str:
    """Return the results as a table in Markdown."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    names = list(lines[0]["figures"])
    shown = [name.replace(".gz", "").replace(".txt", "") for name in names]
    rows = [f"| | {' | '.join(shown)} | seconds | MB |", "|---" * (len(names) + 3) + "|"]
    for system in SYSTEMS:
        own = [line for line in lines if line["system"] == system]
        if not own:
            continue
        cells = [_cell([line["figures"][name] for line in own], 1) for name in names]
        cells += [_cell([line[name] for line in own], 0) for name in ("seconds", "megabytes")]
        rows.append(f"| {system} ({len(own)}) | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(values: list[float], digits: int) -> str:
    found = spread(values)
    more = "" if found.deviation is None else f" ± {found.deviation:.{digits}f}"
    return f"{found.mean:.{digits}f}{more}"


def main() -> None:
    """Read the command line; train and judge, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", type=Path, nargs="?", help="with a tokenizer of --kind words")
    parser.add_argument(
        "sets", type=Path, nargs="*", help="pairs and analogies, or folders of such"
    )
    parser.add_argument("--out", default="static-vectors.jsonl")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--table", type=Path, help="file of results to print")
    options = parser.parse_args()
    print(table(options.table)) if options.table else run(options)


if __name__ == "__main__":
    main()
