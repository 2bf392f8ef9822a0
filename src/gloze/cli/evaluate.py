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
    against: Path | None = None,
    format: str | None = None,
    columns: str | None = None,
    null_odds: Path | None = None,
    null_threshold: float = 1.0,
    device: str = "auto",
) -> EvaluateResult:
    """Judge a fine-tuned run on labelled examples, a pre-trained one on text or pairs.

    Example: gloze evaluate runs/sst2 --data test.tsv

    Example: gloze evaluate predictions.json --data dev-v2.0.json

    Example: gloze evaluate runs/gpt --data passive_1.jsonl --format blimp

    Args:
        run: a run folder (every seed is judged), a model folder, or a file of answers: SQuAD's
            predictions, whoever made them.
        data: labelled examples, - for standard input in the layout that --format names; for a
            pre-trained run a corpus or a shards folder.
        against: another run of the same task: judged on the same data, with tests of whether the
            two differ by more than chance.
        format: layout of labelled examples: tsv, csv, jsonl, parquet, or one of GLUE's own;
            blimp: JSON lines with pairs of sentences, of which a language model, also a masked
            one, should find the good one likelier.
        columns: names of your columns, like text_a=sentence,label=gold; of pairs
            good=...,bad=...,type=...
        null_odds: of a file of answers, a file with how much speaks for there being no answer.
        null_threshold: answers with more than that are taken back; the default is that of SQuAD
            2.0's script.
        device: auto, cpu, cuda or cuda:N.
    """
    from gloze.verbs.evaluate import evaluate as judge

    return judge(
        run,
        data,
        against=against,
        format=format,
        columns=columns,
        null_odds=null_odds,
        null_threshold=null_threshold,
        device=device,
    )
