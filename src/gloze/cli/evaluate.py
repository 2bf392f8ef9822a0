"""``gloze evaluate`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gloze.verbs.evaluate import EvaluateResult


def evaluate(
    run: Path,
    *,
    data: Path,
    format: str | None = None,
    columns: str | None = None,
    device: str = "auto",
) -> EvaluateResult:
    """Judge a fine-tuned run on labelled examples, or a pre-trained one on text.

    Example: gloze evaluate runs/sst2 --data test.tsv

    Args:
        run: a run folder (every seed is judged) or a model folder.
        data: labelled examples; for a pre-trained run a corpus or a shards folder.
        format: layout of labelled examples: tsv, csv, jsonl, parquet, or one of GLUE's own.
        columns: names of your columns, like text_a=sentence,label=gold.
        device: auto, cpu, cuda or cuda:N.
    """
    from gloze.verbs.evaluate import evaluate as judge

    return judge(run, data, format=format, columns=columns, device=device)
