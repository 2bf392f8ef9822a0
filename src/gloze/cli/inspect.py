"""``gloze inspect`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gloze.cli.corpus import CorpusWord

if TYPE_CHECKING:
    from gloze.verbs.inspect import InspectResult


def inspect(
    model: str,
    *,
    tables: Path | None = None,
    word2vec: Annotated[bool, Parameter(negative="")] = False,
    corpus: Annotated[tuple[CorpusWord, ...], Parameter(negative="")] = (),
    probe: Path | None = None,
    format: str | None = None,
    columns: str | None = None,
    seeds: int | None = None,
    device: str = "auto",
    force: Annotated[bool, Parameter(negative="")] = False,
) -> InspectResult:
    """Say what a model is, write its embedding tables, judge its layers.

    Example: gloze inspect runs/mini --tables mini-tables

    Example: gloze inspect runs/mini --corpus books/ --probe reviews.tsv

    Args:
        model: a model or run folder, ours or in Hugging Face layout, or a hub name.
        tables: folder to write the token, position and token type tables to.
        word2vec: write the token table in word2vec's text format too.
        corpus: text in which vectors of random pairs of tokens are compared; may be repeated.
        probe: labelled texts on which a logistic regression over each layer is judged.
        format: layout of the labelled texts: tsv, csv, jsonl, parquet, or one of GLUE's own.
        columns: names of your columns, like text=sentence,label=gold.
        seeds: how many times pairs, and texts to hold out, are drawn; 3 if left out.
        device: auto, cpu, cuda or cuda:N.
        force: replace the tables if they exist.
    """
    from gloze.verbs.inspect import inspect as run

    return run(
        model, tables=tables, word2vec=word2vec, corpus=corpus, probe_file=probe, format=format,
        columns=columns, seeds=seeds, device=device, force=force,
    )  # fmt: skip
