"""``gloze prepare`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from gloze.cli.corpus import CorpusWord, refuse_options
from gloze.core.errors import ConfigError


def prepare(
    *corpus: CorpusWord,
    tokenizer: Path,
    output: Annotated[Path, Parameter(alias="-o")],
    workers: int = 1,
    sentences: Literal["rules", "line"] = "rules",
    segmenter: str | None = None,
    valid_fraction: float = 0.01,
    seed: int = 0,
    text_column: str = "text",
    one_document_per_file: Annotated[bool, Parameter(negative="")] = False,
    max_line_bytes: int = 1 << 20,
    max_reject_rate: float = 0.001,
    strict: Annotated[bool, Parameter(negative="")] = False,
    tasks: int | None = None,
    task: int | None = None,
    ray: str | None = None,
    force: Annotated[bool, Parameter(negative="")] = False,
) -> Any:
    """Encode a corpus into shards, with some documents held out.

    Example: gloze prepare books/ --tokenizer vocab -o shards --workers 4

    Args:
        corpus: files, folders, globs, or - for standard input: text, JSONL, Parquet, compressed.
        tokenizer: a tokenizer folder, a tokenizer.json, or a vocab.txt.
        output: the shards folder to write.
        workers: processes that encode; the bytes written do not depend on it.
        sentences: rules splits paragraphs into sentences, line takes each as one sentence.
        segmenter: finds the words of Chinese: jieba, spaces, a word list, module:function.
        valid_fraction: share of documents held out, 0 to below 1.
        seed: decides which documents are held out.
        text_column: the column of JSONL and Parquet files that holds the text.
        one_document_per_file: blank lines do not end a document.
        max_line_bytes: longer lines are faults.
        max_reject_rate: share of lines that may be faulty.
        strict: refuse a corpus with faults instead of counting them.
        tasks: work in so many tasks, each of which may be done on another machine.
        task: do only this one, from 1 to --tasks; the command without --task joins all.
        ray: do the tasks on the Ray cluster of this address (auto, local).
        force: replace the output if it exists.
    """
    from gloze.text.read import ReadOptions

    refuse_options(corpus, prepare)
    how: dict[str, Any] = {
        "tokenizer": tokenizer,
        "output": output,
        "workers": workers,
        "sentences": sentences,
        "segmenter": segmenter,
        "options": ReadOptions(
            text_column=text_column,
            strict=strict,
            one_document_per_file=one_document_per_file,
            max_line_bytes=max_line_bytes,
            max_reject_rate=max_reject_rate,
        ),
    }
    if task is not None:
        if tasks is None or ray is not None or force:
            raise ConfigError("--task I goes with --tasks N, and with neither --ray nor --force.")
        from gloze.verbs.prepare_task import prepare_task

        return prepare_task(task, corpus, tasks=tasks, **how)
    from gloze.verbs.prepare import prepare as run

    return run(
        corpus, valid_fraction=valid_fraction, seed=seed, tasks=tasks, ray=ray, force=force, **how
    )
