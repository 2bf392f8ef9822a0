"""Run every benchmark that has a place in docs/performance.md, and write that page.

    python -m benchmarks DATA/sst-2/train.tsv.gz

Takes an hour or two on two cores; leave the machine alone meanwhile. A benchmark that fails is
named on the page.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
HEAD = (
    "# Performance\n\nWritten by `make benchmark`; every table by a program of its own, which runs "
    "alone too. Sides take turns in one run, each in a process of its own; a rate is the median of "
    "the rounds, the spread half the distance from the slowest to the fastest, a ratio that of "
    "gloze to the side. Ratios can be compared, rates belong to the machine.\n\n"
)


def machine() -> str:
    """Return what the figures were measured on."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.machine()
    versions = ", ".join(f"{p} {version(p)}" for p in ("torch", "transformers", "tokenizers"))
    return f"{name}, {os.cpu_count()} cores, {platform.system()}; {versions}."


def run(words: list[str]) -> str:
    """Run one benchmark; return its section of the page."""
    module = importlib.import_module(f"benchmarks.{words[0]}")
    about = (module.__doc__ or "").split("\n\n    python")[0].strip()
    command = f"python -m benchmarks.{' '.join(words)}"
    print(f"\n== {command}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{words[0]}", *words[1:]],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if not line.startswith("{")]
    found = "\n".join(lines).strip()
    if done.returncode:
        found += f"\n\nThis benchmark ended with exit code {done.returncode}."
    shown = " ".join(
        Path(word).name if Path(word).is_file() else word for word in command.split(" ")
    )
    return f"## {words[0]}\n\n```\n{shown}\n```\n\n{about}\n\n{found}\n"


def main() -> None:
    """Run all and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("train", nargs="?", help="SST-2's train.tsv.gz, for fine-tuning")
    parser.add_argument("--output", type=Path, default=PAGE)
    parser.add_argument("--quick", action="store_true", help="one short round each: a trial")
    options = parser.parse_args()
    quick = ["--rounds", "1", "--seconds", "0.5"] if options.quick else []
    sizes = ["L4/H256"] if options.quick else ["L4/H256", "L6/H384", "base"]
    wanted = [["pretrain", *sizes], ["gpt"], ["lstm_lm"], ["encode"], ["shards"]]
    wanted += [["finetune", options.train]] if options.train else []
    sections = [run([*words, *quick]) for words in wanted]
    options.output.write_text(f"{HEAD}{machine()}\n\n{chr(10).join(sections)}", encoding="utf-8")
    print(json.dumps({"page": str(options.output)}))


if __name__ == "__main__":
    main()
