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
    pooling: Literal["mean", "cls"] = "mean",
    texts: Path | None = None,
    force: bool = False,
) -> ExportResult:
    """Export an encoder with its pooling as an ONNX graph, compared with the model.

    Example: gloze export runs/mini --precision int8 --texts sentences.txt -o mini-int8

    Args:
        model: a model or run folder, ours or in Hugging Face layout, or a hub name.
        output: the folder to write: the graph, the tokenizer, export.json.
        precision: of the graph. In int8 a vector agrees with the model's at a cosine of 0.98 at
            least, or nothing is written.
        pooling: the mean of all tokens' last hidden states, or that of [CLS].
        texts: to compare on, one a line; sentences of the standard library's documentation by
            default. 8 bits are judged by them: give your own.
        force: replace an export in the folder.
    """
    from gloze.verbs.export import export as run

    return run(model, output=output, precision=precision, pooling=pooling, texts=texts, force=force)
