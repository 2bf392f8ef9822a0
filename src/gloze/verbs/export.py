"""``gloze export``: an encoder with its pooling as an ONNX graph, in float32 or 8 bits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from gloze.checkpoint import load, load_parts
from gloze.core.errors import ConfigError, DataError, nearest
from gloze.core.files import new_folder, write_json
from gloze.core.manifest import write_manifest
from gloze.core.output import refuse_existing, refuse_inputs
from gloze.interop.onnx import INPUTS, OUTPUT, check_extra, write_graph, write_int8
from gloze.nn.pooling import Pooling
from gloze.tasks.lines import read_lines
from gloze.text.library_docs import read_library_docs
from gloze.text.sentences import split_sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gloze.encoders.transformer import TransformerEncoder
    from gloze.inference.model import Model

ExportPrecision = Literal["float32", "int8"]
GRAPH, NOTE = "model.onnx", "export.json"
# Under these cosines the graph is not the model.
LEAST = {"float32": 0.9999, "int8": 0.98}
_TEXTS, _AT_ONCE = 200, 32
_FILES = (
    *(GRAPH, NOTE, "manifest.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json"),
    "special_tokens_map.json",
)

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ExportResult:
    """What was written, and how well it agrees with the model.

    Attributes:
        path: the folder.
        precision: of the graph.
        pooling: inside the graph.
        kept: layers whose feed-forward output stayed in float32.
        megabytes: size of the graph.
        texts: how many texts it was compared on.
        lowest_cosine: of the graph's vector and the model's, over these texts, each by itself.
        mean_cosine: likewise.
        lowest_in_batches: of 32 texts of like length padded together.
    """

    path: Path
    precision: ExportPrecision
    pooling: Pooling
    kept: int
    megabytes: float
    texts: int
    lowest_cosine: float
    mean_cosine: float
    lowest_in_batches: float

    def __str__(self) -> str:
        lines = [
            f"Compared on {self.texts} texts: lowest cosine {self.lowest_cosine:.4f}, "
            f"mean {self.mean_cosine:.4f}; lowest in batches of {_AT_ONCE} "
            f"{self.lowest_in_batches:.4f}.",
        ]
        if self.kept:
            lines.append(f"Kept in float32 for it: the feed-forward outputs of {self.kept} layers.")
        lines.append(f"{self.precision} graph, {self.megabytes:.1f} MB: {self.path / GRAPH}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        return {**asdict(self), "path": str(self.path)}


def export(
    model: str | Path,
    *,
    output: str | Path,
    precision: ExportPrecision = "float32",
    pooling: Pooling = "mean",
    texts: str | Path | Sequence[str] | None = None,
    force: bool = False,
) -> ExportResult:
    """Export an encoder with its pooling as an ONNX graph, and compare the two.

    In 8 bits the feed-forward outputs of the first layers stay in float32, as few as it takes for
    every text's vector to agree with the model's at a cosine of 0.98, alone and in a batch.

    Args:
        model: a model or run folder, ours or in Hugging Face layout, or a hub name.
        output: the folder to write: the graph, the tokenizer, ``export.json``.
        precision: ``float32``, or ``int8`` with a scale for each output of a weight.
        pooling: ``mean`` of all tokens' last hidden states, or that of [CLS].
        texts: to compare on: a file with one a line, or the texts; sentences of the standard
            library's documentation by default. 8 bits are judged by them: give your own.
        force: replace an export in ``output``.

    Raises:
        ConfigError: if there is no such model or setting, or the ``export`` extra is missing.
        DataError: if a file is broken, or the graph does not agree with the model.
        WriteError: if the disk is full or the place cannot be written to.
    """
    _check_call(precision, pooling)
    # Shortest first, so that batches hold alike lengths.
    output, given = Path(output), sorted(_read(texts), key=len)
    refuse_existing(output, force=force, ours=_FILES)
    refuse_inputs(output, [model, *([texts] if isinstance(texts, str | Path) else [])])
    # Read twice: a model in use has laid its weights out for the processor.
    parts, source = load_parts(model), load(model)
    expected = source.encode(given, pooling=pooling)

    def compare(graph: Path) -> npt.NDArray[np.float64]:
        both = [run_graph(graph, source, given, at_once) for at_once in (1, _AT_ONCE)]
        return np.stack([_cosines(vectors, expected) for vectors in both])

    with new_folder(output, force=force, ours=_FILES) as folder:
        found, kept = _write(parts.encoder, folder / GRAPH, precision, pooling, compare)
        if not found.min() >= LEAST[precision]:  # a NaN is no agreement
            raise DataError(
                f"the {precision} graph does not agree with the model: cosine {found.min():.4f} "
                f"for {given[int(found.min(axis=0).argmin())]!r:.80}; {LEAST[precision]} is the "
                "least. Nothing was written.",
                hint="Export in float32." if precision == "int8" else "",
            )
        result = ExportResult(
            path=output,
            precision=precision,
            pooling=pooling,
            kept=kept,
            megabytes=(folder / GRAPH).stat().st_size / 1e6,
            texts=len(given),
            lowest_cosine=float(found[0].min()),
            mean_cosine=float(found[0].mean()),
            lowest_in_batches=float(found[1].min()),
        )
        source.tokenizer.save(folder, max_length=source.max_length)
        inputs = {"inputs": INPUTS, "output": OUTPUT, "max_length": source.max_length}
        write_json(folder / NOTE, {**result.to_dict(), **inputs, "path": GRAPH})
        write_manifest(folder)
    return result


def _check_call(precision: str, pooling: str) -> None:
    if precision not in LEAST:
        raise ConfigError(
            f"--precision {precision}: {nearest(precision, LEAST)}It is one of {', '.join(LEAST)}."
        )
    if pooling not in get_args(Pooling):
        raise ConfigError(f"--pooling {pooling}: it is one of {', '.join(get_args(Pooling))}.")
    check_extra("gloze export")


def _write(
    encoder: TransformerEncoder,
    graph: Path,
    precision: ExportPrecision,
    pooling: Pooling,
    compare: Callable[[Path], npt.NDArray[np.float64]],
) -> tuple[npt.NDArray[np.float64], int]:
    """Write the graph; return each text's cosine, alone and in a batch, and the layers kept."""
    write_graph(encoder, graph, pooling=pooling, level=precision == "int8")
    if precision == "float32":
        return compare(graph), 0
    exact = graph.rename(graph.with_name("float32.onnx"))
    for kept in range(encoder.config.num_hidden_layers + 1):
        write_int8(exact, graph, kept=kept)
        found = compare(graph)
        if found.min() >= LEAST[precision]:
            break
    exact.unlink()
    return found, kept


def run_graph(path: Path, source: Model, texts: Sequence[str], at_once: int) -> Vectors:
    """Return the graph's vectors of some texts, as onnxruntime computes them, padded together."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    sequences = source.sequences(texts)
    vectors = []
    for first in range(0, len(sequences), at_once):
        part = sequences[first : first + at_once]
        ids = np.zeros((len(part), max(map(len, part))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, sequence in enumerate(part):
            ids[row, : len(sequence)], mask[row, : len(sequence)] = sequence, 1
        given = dict(zip(INPUTS, (ids, mask, np.zeros_like(ids)), strict=True))
        vectors.append(session.run([OUTPUT], given)[0])
    return np.concatenate(vectors)


def _cosines(one: Vectors, other: Vectors) -> npt.NDArray[np.float64]:
    a, b = one.astype(np.float64), other.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / norms)


def _read(texts: str | Path | Sequence[str] | None) -> list[str]:
    """Return the texts to compare on."""
    if texts is None:
        paragraphs = [p for d in read_library_docs().documents for p in d.paragraphs]
        evenly = paragraphs[:: max(1, len(paragraphs) // _TEXTS)][:_TEXTS]
        return [split_sentences(paragraph)[0] for paragraph in evenly]
    if isinstance(texts, str | Path):
        texts = [text for _, text in read_lines(Path(texts)) if text.strip()]
    if not texts:
        raise DataError("there is no text to compare the graph and the model on.")
    return list(texts)
