"""Prove that the core alone suffices: pre-train, load, encode; a missing extra is named in a line.

Run with the Python of an environment that has gloze without extras (`make core` makes one).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

EXTRAS = (
    *("datasets", "tensorboard", "numba", "gensim"),
    *("transformers", "sentence_transformers", "sklearn", "pytest"),
)
TINY = (
    "tokenizer.vocab_size=1500",
    "sampler.max_length=64",
    "encoder.hidden_size=32",
    "encoder.num_attention_heads=2",
    "encoder.intermediate_size=64",
    "training.steps=3",
    "training.batch_tokens=512",
    "training.evaluation_tokens=512",
)


def main() -> int:
    """Run every check; the first that fails ends with its message."""
    present = [name for name in EXTRAS if find_spec(name)]
    if present:
        return fail(f"this environment has more than the core: {', '.join(present)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = write_corpus(folder / "corpus.txt")
        code, err = pretrain(corpus, folder / "run")
        if code:
            return fail(f"pretrain ended with {code}:\n{err}")
        message = encode(folder / "run")
        if message:
            return fail(message)
        for package, extra, (code, err) in (
            ("datasets", "hub", pretrain("hf:some/name", folder / "hub")),
            (
                "tensorboard",
                "track",
                pretrain(corpus, folder / "track", "training.tensorboard=true"),
            ),
            ("numba", "vectors", gloze("pretrain", "cbow", "--corpus", corpus, "-o", folder / "v")),
        ):
            advice = f"needs {package}. Install it: pip install 'gloze[{extra}]'"
            errors = [line for line in err.splitlines() if line.startswith("error: ")]
            if code != 2 or "Traceback" in err or len(errors) != 1 or advice not in errors[0]:
                return fail(
                    f"without {package}: exit code {code}, and not one line of advice:\n{err}"
                )
    print("core alone: pre-trained, loaded, encoded; missing extras are named")
    return 0


def write_corpus(path: Path) -> Path:
    """Write the topics of Python's own help, a document each."""
    from pydoc_data.topics import topics

    documents = (
        "\n".join(line.strip() for line in text.splitlines() if line.strip())
        for _, text in sorted(topics.items())
    )
    path.write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    return path


def pretrain(corpus: str | Path, run: Path, *changes: str) -> tuple[int, str]:
    """Pre-train by the command line; return the exit code and standard error."""
    settings = [word for change in (*TINY, *changes) for word in ("--set", change)]
    return gloze("pretrain", "bert-tiny", "--corpus", corpus, "-o", run, *settings)


def gloze(*words: str | Path) -> tuple[int, str]:
    """Run a command line; return the exit code and standard error."""
    command = [sys.executable, "-m", "gloze", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def encode(run: Path) -> str:
    """Load the model and encode two texts; return what is wrong with the vectors, if anything."""
    import gloze

    vectors = gloze.load(run / "model").encode(["a list of names", "an integer"])
    if vectors.shape != (2, 32) or str(vectors.dtype) != "float32":
        return f"encode gave {vectors.dtype} {vectors.shape}, expected float32 (2, 32)"
    return "" if (vectors[0] != vectors[1]).any() else "encode gave two texts the same vector"


def fail(message: str) -> int:
    """Print the message and return exit code 1."""
    print(f"core alone: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
