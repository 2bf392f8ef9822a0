"""``gloze export``: an encoder with its pooling, or with its task, as an ONNX graph."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from gloze.checkpoint import config_of, find_model, load_task
from gloze.core.errors import ConfigError, DataError, nearest
from gloze.core.files import new_folder, read_json, write_json
from gloze.core.manifest import write_manifest
from gloze.core.output import refuse_existing, refuse_inputs
from gloze.interop.onnx import INPUTS, SCORES, VECTORS, check_extra, write_graph, write_int8
from gloze.nn.pooling import Pooling
from gloze.tasks.model import kind_of_model
from gloze.tokenizers import TOKENIZER_FILES
from gloze.verbs.export_subject import of_task, of_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.verbs.export_subject import Subject

ExportPrecision = Literal["float32", "int8"]
GRAPH, NOTE = "model.onnx", "export.json"
# Under this agreement the graph is not the model: cosines, or shares of same answers.
LEAST = {"float32": 0.9999, "int8": 0.98}
_FILES = (GRAPH, NOTE, "manifest.json", *TOKENIZER_FILES)


@dataclass(frozen=True)
class ExportResult:
    """What was written, and how well it agrees with the model.

    Attributes:
        path: the folder.
        precision: of the graph.
        pooling: inside the graph; None if a head is.
        normalize: whether vectors are brought to a length of 1 inside the graph.
        prompt: what the model sets before every text; the graph gets token ids, and does not.
        task: whose head is inside the graph; None if none is.
        kept: layers whose feed-forward output stayed in float32.
        megabytes: size of the graph.
        texts: how many texts or examples it was compared on.
        max_length: most tokens of a text; longer ones are cut before they come to the graph.
        cutting: how a task cuts them, where it is not at their end: ``long_text`` and, of
            windows, ``stride`` and more.
        agreement: figures by name. Of vectors ``lowest_cosine`` and ``mean_cosine`` of the
            graph's and the model's, each text by itself, and ``lowest_in_batches`` of 32 padded
            together. Of heads ``same_answers``, a share, and ``largest_difference`` of a
            probability or other number of an answer.
    """

    path: Path
    precision: ExportPrecision
    pooling: Pooling | None
    normalize: bool
    prompt: str
    task: str | None
    kept: int
    megabytes: float
    texts: int
    max_length: int
    cutting: dict[str, Any]
    agreement: dict[str, float]

    def __str__(self) -> str:
        told = ", ".join(
            f"{name.replace('_', ' ')} {value:.4f}" for name, value in self.agreement.items()
        )
        lines = [f"Compared on {self.texts} texts: {told}."]
        if self.kept:
            lines.append(f"Kept in float32 for it: the feed-forward outputs of {self.kept} layers.")
        if self.cutting:
            lines.append(
                f"Texts over {self.max_length} tokens are not cut in the graph; gloze does it by "
                f"{self.cutting['long_text']}, as {NOTE} says."
            )
        if self.prompt:
            lines.append(
                f"The model sets {self.prompt!r} before every text: do so before the graph."
            )
        lines.append(f"{self.precision} graph, {self.megabytes:.1f} MB: {self.path / GRAPH}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        values = {**asdict(self), "path": str(self.path)}
        cutting = values.pop("cutting")
        return {**values, **cutting}


def export(
    model: str | Path,
    *,
    output: str | Path,
    precision: ExportPrecision = "float32",
    pooling: Pooling | None = None,
    texts: str | Path | Sequence[str] | None = None,
    format: str | None = None,
    columns: str | dict[str, str] | None = None,
    force: bool = False,
) -> ExportResult:
    """Export an encoder with its pooling or its head as an ONNX graph, and compare the two.

    A fine-tuned model is exported with the head of its task, unless ``pooling`` asks for vectors.
    In 8 bits the feed-forward outputs of the first layers stay in float32, as few as it takes for
    every text's vector to agree with the model's at a cosine of 0.98, alone and in a batch, or
    for 98% of the answers to be the same.

    Args:
        model: a model or run folder, ours or in Hugging Face layout, or a hub name.
        output: the folder to write: the graph, the tokenizer, ``export.json``.
        precision: ``float32``, or ``int8`` with a scale for each output of a weight.
        pooling: ``mean`` of all tokens' last hidden states, ``cls``, that of [CLS], or ``max``,
            the largest of each number; if the model has no task as it says, else ``mean``.
        texts: to compare on: a file with one a line, or of examples that the task reads; or the
            texts; sentences of the standard library's documentation by default. 8 bits are
            judged by them: give your own.
        format: layout of a file of examples, as ``gloze predict`` has it.
        columns: names of its columns, like ``text_a=sentence,text_b=reply``.
        force: replace an export in ``output``.

    Raises:
        ConfigError: if there is no such model or setting, or the ``export`` extra is missing.
        DataError: if a file is broken, or the graph does not agree with the model.
        WriteError: if the disk is full or the place cannot be written to.
    """
    _check_call(precision, pooling)
    output = Path(output)
    refuse_existing(output, force=force, ours=_FILES)
    refuse_inputs(output, [model, *([texts] if isinstance(texts, str | Path) else [])])
    has_task = kind_of_model(read_json(config_of(find_model(model)))) is not None
    is_task = has_task and pooling is None
    if (format, columns) != (None, None) and not (is_task and isinstance(texts, str | Path)):
        raise ConfigError(
            "--format and --columns say how a task's examples in --texts FILE are read: "
            + ("name the file." if is_task else "vectors are compared on a text a line.")
        )
    if is_task:
        subject = of_task(load_task(model), texts, precision == "float32", format, columns)
    else:
        subject = of_vectors(model, pooling, texts)
    with new_folder(output, force=force, ours=_FILES) as folder:
        agreement, figures, kept = _write(subject, folder / GRAPH, precision)
        if not agreement >= LEAST[precision]:  # a NaN is no agreement
            raise DataError(
                f"the {precision} graph does not agree with the model: {agreement:.4f}, and "
                f"{LEAST[precision]} is the least. Nothing was written.",
                hint="Export in float32." if precision == "int8" else "",
            )
        result = ExportResult(
            path=output,
            precision=precision,
            kept=kept,
            megabytes=(folder / GRAPH).stat().st_size / 1e6,
            max_length=subject.max_length,
            cutting=subject.cutting,
            agreement=figures,
            **subject.about,
        )
        subject.tokenizer.save(folder, max_length=subject.max_length)
        about = {"inputs": INPUTS, "output": SCORES if result.task else VECTORS, "path": GRAPH}
        write_json(folder / NOTE, {**result.to_dict(), **about})
        write_manifest(folder)
    return result


def _check_call(precision: str, pooling: str | None) -> None:
    if precision not in LEAST:
        raise ConfigError(
            f"--precision {precision}: {nearest(precision, LEAST)}It is one of {', '.join(LEAST)}."
        )
    if pooling is not None and pooling not in get_args(Pooling):
        raise ConfigError(f"--pooling {pooling}: it is one of {', '.join(get_args(Pooling))}.")
    check_extra("gloze export")


def _write(
    subject: Subject, graph: Path, precision: ExportPrecision
) -> tuple[float, dict[str, float], int]:
    """Write the graph; return its agreement, figures of it, and the layers kept."""
    write_graph(subject.encoder, graph, end=subject.end, level=precision == "int8")
    if precision == "float32":
        return *subject.compare(graph), 0
    exact = graph.rename(graph.with_name("float32.onnx"))
    for kept in range(subject.encoder.config.num_hidden_layers + 1):
        write_int8(exact, graph, kept=kept)
        agreement, figures = subject.compare(graph)
        if agreement >= LEAST[precision]:
            break
    exact.unlink()
    return agreement, figures, kept
