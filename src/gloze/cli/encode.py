"""``gloze encode`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from gloze.core.errors import ConfigError

if TYPE_CHECKING:
    from gloze.verbs.encode import EncodeSummary

Pooling = Literal["mean", "cls", "max", "first_last", "idf", "counts", "tf-idf", "none"]


def encode(
    model: str,
    *,
    input: Path,
    output: Annotated[Path, Parameter(alias="-o")],
    layers: Annotated[str, Parameter(allow_leading_hyphen=True)] = "-1",
    combine: Literal["concat", "sum", "mean", "stack"] = "concat",
    pooling: Annotated[Pooling | None, Parameter(alias="--pool")] = None,
    words: Annotated[bool, Parameter(negative="")] = False,
    pieces: Literal["first", "mean"] = "first",
    long: Literal["windows", "cut"] = "windows",
    stride: int | None = None,
    format: str | None = None,
    columns: str | None = None,
    precision: Literal["float32", "bfloat16", "auto"] = "float32",
    device: str = "auto",
    force: Annotated[bool, Parameter(negative="")] = False,
) -> EncodeSummary:
    """Write the vectors of texts, of their words or of their tokens.

    Example: gloze encode runs/mini --input texts.txt -o vectors.npy

    Example: gloze encode runs/mini --input texts.txt -o words.parquet --words --layers -4,-3,-2,-1

    Args:
        model: a model or run folder, ours or in Hugging Face layout, a hub name, or an ELMo; or
            word vectors: a folder of ours, a run, or a file of word2vec or GloVe.
        input: a text a line, or TSV, CSV, JSONL or Parquet; plain or compressed; - is standard
            input.
        output: .npy (one array), .npz (arrays), .jsonl or .parquet (the rows of the input with
            vectors added).
        layers: one or several, like -1 or -4,-3,-2,-1: 0 is the embeddings, -1 the last layer.
        combine: several layers: concat, sum, mean, or stack, which keeps them apart.
        pooling: a vector for each text: mean, cls, max, first_last (mean of the first and the
            last layer); none gives one for each token; of word vectors mean, or idf, which
            weighs rare words more. By default that of a folder of sentence-transformers, else
            mean.
        words: a vector for each word: those in a table's column words, which holds lists of
            them, or else those between spaces.
        pieces: a word's vector: that of its first token, or the mean of all its tokens.
        long: texts over the model's length: windows that overlap, or cut.
        stride: tokens from one window to the next; by default half a window.
        format: of the input: lines, tsv, csv, jsonl, parquet; by default its name tells.
        columns: text=NAME of a column of texts, or words=NAME of one of lists of words.
        precision: float32, bfloat16 (faster where the hardware has it), or auto.
        device: auto, cpu, cuda or cuda:N.
        force: replace the output if it exists.
    """
    from gloze.verbs.encode import encode as run

    return run(
        model, input=input, output=output, layers=_numbers(layers), combine=combine,
        pooling=pooling, words=words, pieces=pieces, long=long, stride=stride, format=format,
        columns=columns, precision=precision, device=device, force=force,
    )  # fmt: skip


def _numbers(layers: str) -> list[int]:
    try:
        return [int(layer) for layer in layers.split(",")]
    except ValueError:
        raise ConfigError(
            f"--layers {layers!r}: numbers with commas are expected, like -1 or -4,-3,-2,-1."
        ) from None
