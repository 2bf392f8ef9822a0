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


def words(options: argparse.Namespace, output: Path) -> list[str]:
    """Return the command of a run, which goes on if it has begun."""
    settings = [f"training.steps={options.steps}", "training.tokens=none", "training.save_every=5"]
    settings += ["training.batch_tokens=1024", "training.evaluations=0"]
    command = [sys.executable, "-m", "gloze", "pretrain", options.recipe, "--resume"]
    command += ["--shards", str(options.shards), "-o", str(output), "--seed", str(options.seed)]
    return command + [word for setting in settings for word in ("--set", setting)]


def weights(output: Path) -> str:
    """Return the SHA-256 of a run's model."""
    return hashlib.sha256((output / "model" / "model.safetensors").read_bytes()).hexdigest()


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
        started_at = time.monotonic()
        subprocess.run(words(options, unbroken), check=True, capture_output=True)
        seconds = time.monotonic() - started_at
        draw = random.Random(options.seed)
        killed_at = []
        for _ in range(options.kills):
            moment = draw.uniform(0.3, 0.8) * seconds
            with subprocess.Popen(words(options, broken), stderr=subprocess.DEVNULL) as process:
                time.sleep(moment)
                process.kill()
            saved = sorted(path.name for path in (broken / "checkpoints").glob("step-*"))
            killed_at.append(saved[-1] if saved else "before the first checkpoint")
        subprocess.run(words(options, broken), check=True, capture_output=True)
        checksums = [weights(unbroken), weights(broken)]
    result = {"killed after": killed_at, "unbroken": checksums[0], "broken": checksums[1]}
    print(json.dumps({**result, "same": checksums[0] == checksums[1]}))
    sys.exit(checksums[0] != checksums[1])


if __name__ == "__main__":
    main()
