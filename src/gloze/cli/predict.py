"""``gloze predict`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from gloze.verbs.predict import PredictSummary


def predict(
    run: Path,
    *,
    data: Path,
    output: Annotated[Path, Parameter(alias="-o")],
    format: str | None = None,
    columns: str | None = None,
    to: str | None = None,
    precision: Literal["float32", "bfloat16", "auto"] = "float32",
    device: str = "auto",
    force: Annotated[bool, Parameter(negative="")] = False,
) -> PredictSummary:
    """Answer every example of a file, with a probability for each label.

    Example: gloze predict runs/sst2 --data new.tsv -o answers.tsv

    Args:
        run: a fine-tuned run (its best seed answers) or a model folder.
        data: texts: TSV, CSV, JSONL or Parquet, plain or compressed; labels are not needed. A
            lone - is standard input, of the layout that --format names.
        output: the file to write: .tsv, .csv, .jsonl or .parquet; of span also .json, SQuAD's
            predictions with the n-best beside them; of tagging also .conll, .txt and the like,
            the lines of the input with one more column.
        format: layout of the data: tsv, csv, jsonl, parquet, or one of GLUE's own.
        columns: names of your columns, like text_a=sentence,text_b=reply, or word=0.
        to: layout of the answers: table (columns of the input and the answer), glue (as the
            benchmark takes them), or another that the task knows.
        precision: of the encoder; bfloat16 is several times as fast on processors with units for
            it, with probabilities a hundredth off; auto takes it where it is fast.
        device: auto, cpu, cuda or cuda:N.
        force: replace the output if it exists.
    """
    from gloze.verbs.predict import predict as answer

    return answer(
        run,
        data,
        output=output,
        format=format,
        columns=columns,
        to=to,
        precision=precision,
        device=device,
        force=force,
    )
