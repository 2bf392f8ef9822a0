"""A corpus as a stream of documents, whatever it lies in, in bounded memory."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gloze.core.errors import DataError
from gloze.core.lists import as_list
from gloze.text.compression import COMPRESSED, open_binary
from gloze.text.formats import Document, read_hub, read_jsonl, read_text
from gloze.text.magic import START_BYTES, refuse_known
from gloze.text.parquet import read_parquet
from gloze.text.report import UNKNOWN_SUFFIX, Ledger, ReadOptions, ReadReport
from gloze.text.sentences import split_sentences
from gloze.text.sources import HUB, STDIN, Source, find_sources, readable_twice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "Document",
    "Ledger",
    "ReadOptions",
    "ReadReport",
    "read_documents",
    "read_sentences",
    "read_sources",
    "readable_twice",
]

JSONL = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
TEXT = (".txt", ".text", ".md", ".rst")


def read_documents(
    inputs: Sequence[str | Path],
    *,
    options: ReadOptions | None = None,
    report: ReadReport | None = None,
    rejects: Path | None = None,
) -> Iterator[Document]:
    """Return the documents of a corpus in order, as a stream that holds one at a time.

    Plain text has one sentence or paragraph a line and blank lines between documents. In JSONL
    and Parquet files each row is a document, and newlines in its text part paragraphs. All but
    Parquet may be compressed (``.gz .bz2 .xz .zst``). A line that cannot be used is dropped and
    counted, or refused with ``options.strict``. Names are looked up at once, contents read as
    documents are asked for; the corpus is judged at its end.

    Example: ``for document in read_documents(["books/", "news-*.jsonl.zst"]): ...``

    Args:
        inputs: files, folders, globs, ``-`` for standard input, ``hf:NAME`` or ``hf:NAME:config``.
        options: how to read; the defaults if absent.
        report: is filled on the way.
        rejects: a JSONL file to write dropped lines to (path, line, kind, reason); it is made
            when there is one.

    Raises:
        DataError: if an input is missing or broken, there is no text, or there are too many
            faults: any with ``strict``, otherwise over 20 and over ``max_reject_rate``.
        MissingExtraError: if ``hf:`` is used without the extra ``hub``.
        WriteError: if ``rejects`` cannot be written.
    """
    inputs = as_list(inputs)
    sources = find_sources(inputs)
    report = ReadReport() if report is None else report
    ledger = Ledger(options or ReadOptions(), report, rejects)
    return _read_all(sources, ledger, ", ".join(map(str, inputs)))


def read_sentences(
    inputs: Sequence[str | Path], *, report: ReadReport | None = None
) -> Iterator[str]:
    """Return the sentences of a corpus in order, read as :func:`read_documents` does.

    Raises:
        DataError: as there.
        MissingExtraError: as there.
    """
    for document in read_documents(inputs, report=report):
        for paragraph in document.paragraphs:
            yield from split_sentences(paragraph)


def _read_all(sources: list[Source], ledger: Ledger, names: str) -> Iterator[Document]:
    num_documents = 0
    with closing(ledger):
        for document in read_sources(sources, ledger):
            num_documents += 1
            yield document
        ledger.finish()
    if not num_documents:
        raise DataError(f"the corpus holds no text ({names}).{ledger.listed()}")


def read_sources(sources: Sequence[Source], ledger: Ledger) -> Iterator[Document]:
    """Return the documents of some sources, noting them in a ledger that others may judge."""
    report = ledger.report
    for source in sources:
        for document in _read(source, ledger):
            report.documents += 1
            report.paragraphs += len(document.paragraphs)
            report.characters += sum(map(len, document.paragraphs))
            yield document


def _read(source: Source, ledger: Ledger) -> Iterator[Document]:
    if source.name == STDIN:
        if sys.stdin is None:
            raise DataError("there is no standard input.", path=STDIN)
        return _read_stream(sys.stdin.buffer, STDIN, "", ledger)
    if source.name.startswith(HUB):
        return read_hub(source.name, ledger)
    return _read_file(Path(source.name), ledger, is_named=source.is_named)


def _read_file(path: Path, ledger: Ledger, *, is_named: bool) -> Iterator[Document]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_compressed = bool(suffixes) and suffixes[-1] in COMPRESSED
    if is_compressed:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    with open_binary(path, max_bytes=ledger.options.max_decompressed_bytes) as file:
        if suffix in PARQUET:
            if is_compressed or not path.is_file():
                raise DataError("Parquet can be read from a plain file only.", path=path)
            yield from read_parquet(path, ledger)
            return
        if not is_named and suffix not in (*TEXT, *JSONL):
            ledger.remark(str(path), 1, UNKNOWN_SUFFIX)
        yield from _read_stream(file, str(path), suffix, ledger)


def _read_stream(file: BinaryIO, source: str, suffix: str, ledger: Ledger) -> Iterator[Document]:
    try:
        start = file.read(START_BYTES)
        _refuse_binary(start, source, suffix)
        is_jsonl = suffix in JSONL or (source == STDIN and start.lstrip().startswith(b'{"'))
        yield from (read_jsonl if is_jsonl else read_text)(file, source, ledger, start)
    except OSError as error:
        raise DataError(f"cannot be read ({error}).", path=source) from error


def _refuse_binary(start: bytes, source: str, suffix: str) -> None:
    refuse_known(start, source)
    if b"\0" in start and suffix not in (*TEXT, *JSONL):
        raise DataError(
            "not text: there are NUL bytes near its beginning.",
            path=source,
            hint="If it is text all the same, name it .txt.",
        )
