"""Kill a pre-training with SIGKILL at random moments, resume it, compare with an unbroken run.

python benchmarks/kill.py bert-mini SHARDS --steps 60 --kills 3
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SAVE_EVERY = 5
SILENT: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def words(options: argparse.Namespace, output: Path) -> list[str]:
    """Return the command of a run, which goes on if it has begun."""
    settings = [
        f"training.steps={options.steps}",
        "training.tokens=none",
        f"training.save_every={SAVE_EVERY}",
    ]
    settings += ["training.batch_tokens=1024", "training.evaluations=0"]
    command = [sys.executable, "-m", "gloze", "pretrain", options.recipe, "--resume"]
    command += ["--shards", str(options.shards), "-o", str(output), "--seed", str(options.seed)]
    return command + [word for setting in settings for word in ("--set", setting)]


def weights(output: Path) -> str:
    """Return the SHA-256 of a run's model."""
    return hashlib.sha256((output / "model" / "model.safetensors").read_bytes()).hexdigest()


def newest(output: Path) -> int:
    """Return the step of the newest checkpoint; -1 before the first."""
    steps = (int(path.name.split("-")[1]) for path in (output / "checkpoints").glob("step-*"))
    return max(steps, default=-1)


def main() -> None:
    """Run unbroken, run broken, print both checksums as a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("shards", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        unbroken, broken = Path(folder) / "unbroken", Path(folder) / "broken"
        killed_at: list[dict[str, Any]] = []
        started_at = time.monotonic()
        subprocess.run(words(options, unbroken), check=True, capture_output=True)
        seconds = time.monotonic() - started_at
        draw = random.Random(options.seed)
        moments = sorted(draw.sample(range(options.steps - SAVE_EVERY), options.kills))
        for moment in moments:
            with subprocess.Popen(words(options, broken), **SILENT) as process:
                while newest(broken) < moment - SAVE_EVERY and process.poll() is None:
                    time.sleep(0.01)
                # From here to the next checkpoint but one, whatever is being done.
                time.sleep(draw.uniform(0, 2 * SAVE_EVERY / options.steps) * seconds)
                process.kill()
            killed_at.append({"after checkpoint": newest(broken), "alive": process.returncode < 0})
        subprocess.run(words(options, broken), check=True, capture_output=True)
        assert all(kill["alive"] for kill in killed_at), "a run had ended before its kill"
        checksums = [weights(unbroken), weights(broken)]
    result = {"killed": killed_at, "unbroken": checksums[0], "broken": checksums[1]}
    print(json.dumps({**result, "same": checksums[0] == checksums[1]}))
    sys.exit(checksums[0] != checksums[1])


if __name__ == "__main__":
    main()
