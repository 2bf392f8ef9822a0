"""``gloze tokenizer`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from gloze.cli.corpus import CorpusWord, refuse_options


def tokenizer(
    *corpus: CorpusWord,
    output: Annotated[Path, Parameter(alias="-o")],
    kind: Literal["wordpiece", "bpe", "byte_bpe", "words"] = "wordpiece",
    vocab_size: int = 30522,
    min_count: int | None = None,
    cased: Annotated[bool, Parameter(negative="")] = False,
    keep_accents: Annotated[bool, Parameter(negative="")] = False,
    split: Literal["punctuation", "spaces", "jieba"] = "punctuation",
    limit_alphabet: int | None = None,
    text_column: str = "text",
    one_document_per_file: Annotated[bool, Parameter(negative="")] = False,
    max_line_bytes: int = 1 << 20,
    max_reject_rate: float = 0.001,
    strict: Annotated[bool, Parameter(negative="")] = False,
    force: Annotated[bool, Parameter(negative="")] = False,
) -> Any:
    """Learn a vocabulary from a corpus.

    Example: gloze tokenizer books/ -o vocab --vocab-size 8000

    Args:
        corpus: files, folders, globs, or - for standard input: text, JSONL, Parquet, compressed.
        output: the tokenizer folder to write.
        kind: wordpiece cuts words into pieces; bpe joins letters, as GPT, and byte_bpe bytes, as
            GPT-2; words keeps words whole.
        vocab_size: number of tokens, special tokens and letters included, reached exactly or
            refused; of whole words the most.
        min_count: least number of times a word is met to be learned (5; 2 for pairs of pieces).
        cased: keep capitals and accents, as byte_bpe always does.
        keep_accents: keep accents alone.
        split: what parts whole words: punctuation and spaces, spaces alone, or jieba (Chinese).
        limit_alphabet: most letters that wordpiece and bpe keep; by default 1000, and as many more
            as cover 99.99%.
        text_column: the column of JSONL and Parquet files that holds the text.
        one_document_per_file: blank lines do not end a document.
        max_line_bytes: longer lines are faults.
        max_reject_rate: share of lines that may be faulty.
        strict: refuse a corpus with faults instead of counting them.
        force: replace the output if it exists.
    """
    from gloze.text.read import ReadOptions
    from gloze.tokenizers import TokenizerConfig
    from gloze.verbs.tokenizer import learn

    refuse_options(corpus, tokenizer)
    return learn(
        corpus,
        output=output,
        config=TokenizerConfig(
            kind=kind,
            vocab_size=vocab_size,
            min_count=min_count,
            cased=cased,
            keep_accents=keep_accents,
            split=split,
            limit_alphabet=limit_alphabet,
        ),
        options=ReadOptions(
            text_column=text_column,
            strict=strict,
            one_document_per_file=one_document_per_file,
            max_line_bytes=max_line_bytes,
            max_reject_rate=max_reject_rate,
        ),
        force=force,
    )
