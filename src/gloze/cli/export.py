"""``gloze export`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from gloze.verbs.export import ExportResult


def export(
    model: str,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    precision: Literal["float32", "int8"] = "float32",
    pooling: Literal["mean", "cls", "max"] | None = None,
    texts: Path | None = None,
    format: str | None = None,
    columns: str | None = None,
    force: bool = False,
) -> ExportResult:
    """Export an encoder, with its pooling or its task, as an ONNX graph.

    A fine-tuned model is exported with the head of its task, unless --pooling asks for vectors.
    The graph is compared with the model before it is written.

    Example: gloze export runs/mini --precision int8 --texts sentences.txt -o mini-int8
    Example: gloze export runs/sst2 -o sst2-onnx

    Args:
        model: a model or run folder, ours or in Hugging Face layout, or a hub name.
        output: the folder to write: the graph, the tokenizer, export.json.
        precision: of the graph. In int8 a vector agrees with the model's at a cosine of 0.98 at
            least, and 98% of answers are the same, or nothing is written.
        pooling: the mean of all tokens' last hidden states, that of [CLS], or the largest of each
            number; if the model has no task as it says, else mean.
        texts: to compare on, one a line, or examples as the task reads them; sentences of the
            standard library's documentation by default. 8 bits are judged by them: give your own.
        format: layout of a file of examples, as predict has it: tsv, csv, jsonl, parquet, or a
            data set's own.
        columns: names of its columns, like text_a=sentence,text_b=reply, or word=0.
        force: replace an export in the folder.
    """
    from gloze.verbs.export import export as run

    return run(
        model, output=output, precision=precision, pooling=pooling, texts=texts, format=format,
        columns=columns, force=force,
    )  # fmt: skip
