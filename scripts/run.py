"""Make the environment if it is missing or behind, then do what is asked.

    python3 scripts/run.py quickstart    the main job on text every machine has
    python3 scripts/run.py test          the whole test suite
    python3 scripts/run.py test-soak     the reliability tests at their full sizes (hours)
    python3 scripts/run.py check         formatting, lint, types, import rules
    python3 scripts/run.py core          a second environment with the core alone, and a run in it
    python3 scripts/run.py docs          write docs/cli.md anew
    python3 scripts/run.py benchmark     measure against the peers, into docs/performance.md

PIP_ARGS is passed on to pip, ARGS to what is run. Needs nothing but Python 3.11 or later.
"""

import hashlib
import os
import shlex
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv"
CORE_ENVIRONMENT = ROOT / "build" / "core-venv"
CORE = ""
EVERYTHING = "[all,test,oracle,dev]"
OLDEST_PYTHON = (3, 11)
# A file's tests stay together: they share what they train.
PARALLEL = ("-n", "auto", "--maxprocesses", "8", "--dist", "loadfile")

CHECKS = (
    ("formatting", ("-m", "ruff", "format", "--check", ".")),
    ("lint", ("-m", "ruff", "check", ".")),
    ("types", ("-m", "mypy")),
    ("import rules", ("-c", "from importlinter.cli import lint_imports_command as c; c()")),
)


def main() -> int:
    """Run the target named on the command line."""
    targets = {
        "quickstart": quickstart,
        "test": lambda: test(PARALLEL),
        "test-soak": lambda: test(("-m", "soak", "--timeout", "0")),
        "check": check,
        "core": core,
        "docs": docs,
        "benchmark": benchmark,
    }
    if len(sys.argv) != 2 or sys.argv[1] not in targets:
        print(__doc__, file=sys.stderr)
        return 2
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"error: Python 3.11 or later is needed, this is {found}.", file=sys.stderr)
        return 2
    try:
        return targets[sys.argv[1]]()
    except subprocess.CalledProcessError as error:
        return error.returncode
    except KeyboardInterrupt:
        return 130


def quickstart() -> int:
    """Run the main job, over an earlier one; the core is all it needs."""
    python = environment(ENVIRONMENT, CORE)
    return run(python, "-m", "gloze", "quickstart", *(arguments() or ["--force"]), check=False)


def test(selection: tuple[str, ...]) -> int:
    """Run the tests with pytest."""
    python = environment(ENVIRONMENT, EVERYTHING)
    return run(python, "-m", "pytest", *selection, *arguments(), check=False)


def check() -> int:
    """Run every check to its end, then say which failed."""
    python = environment(ENVIRONMENT, EVERYTHING)
    failed = [name for name, words in CHECKS if run(python, *words, check=False)]
    say(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return int(bool(failed))


def core() -> int:
    """Prove that the core alone suffices, and that each missing extra is named."""
    python = environment(CORE_ENVIRONMENT, CORE)
    return run(python, "scripts/check_core_install.py", check=False)


def docs() -> int:
    """Write the command reference from the program's own help."""
    return run(environment(ENVIRONMENT, EVERYTHING), "scripts/command_reference.py", check=False)


def benchmark() -> int:
    """Measure everything that docs/performance.md shows; ARGS may name SST-2's train.tsv.gz."""
    return run(environment(ENVIRONMENT, EVERYTHING), "-m", "benchmarks", *arguments(), check=False)


def environment(folder: Path, extras: str) -> Path:
    """Return the Python of a virtual environment that has gloze with these extras."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        say(f"making the environment {folder.relative_to(ROOT)}")
        make(folder)
    stamp = folder / "gloze-stamp.txt"
    wanted = fingerprint()
    known = stamp.read_text(encoding="utf-8").split("\n") if stamp.exists() else ["", CORE]
    # What was installed for the tests holds all that the quickstart needs.
    if known[0] == wanted and extras in (known[1], CORE):
        return python
    if known[1] == EVERYTHING:
        extras = EVERYTHING
    stamp.unlink(missing_ok=True)
    say(f"installing gloze{extras} at the tested versions (some minutes the first time)")
    started_at = time.monotonic()
    words = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    words += [*shlex.split(os.environ.get("PIP_ARGS", "")), "-c", "constraints.txt"]
    run(python, *words, "-e", f".{extras}")
    stamp.write_text(f"{wanted}\n{extras}", encoding="utf-8")
    say(f"installed in {time.monotonic() - started_at:.0f} s")
    return python


def make(folder: Path) -> None:
    """Make an empty virtual environment."""
    try:
        venv.create(folder, with_pip=True, clear=True)
    except subprocess.CalledProcessError:
        print(
            "error: this Python cannot make virtual environments with pip. "
            "On Debian and Ubuntu: apt-get install python3-venv",
            file=sys.stderr,
        )
        raise


def fingerprint() -> str:
    """Return what decides what is installed, as one number."""
    files = (ROOT / "pyproject.toml", ROOT / "constraints.txt")
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def arguments() -> list[str]:
    """Return the words of ARGS."""
    return shlex.split(os.environ.get("ARGS", ""))


def run(python: Path, *words: str, check: bool = True) -> int:
    """Run Python in the project's folder, showing what is run."""
    shown = shlex.join(["python", *words])
    say(shown)
    return subprocess.run([python, *words], cwd=ROOT, check=check).returncode


def say(text: str) -> None:
    """Print a line of our own, apart from what is run."""
    print(f"[gloze] {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
