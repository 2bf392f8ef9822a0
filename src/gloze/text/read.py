"""A corpus as a stream of documents, whatever it lies in, in bounded memory."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gloze.core.errors import DataError
from gloze.text.compression import COMPRESSED, open_binary
from gloze.text.formats import (
    Document,
    read_hub,
    read_jsonl,
    read_parquet,
    read_text,
    rewind,
)
from gloze.text.report import Ledger, ReadOptions, ReadReport
from gloze.text.sources import STDIN, find_sources, readable_twice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Document", "ReadOptions", "ReadReport", "read_documents", "readable_twice"]

JSONL = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
TEXT = (".txt", ".text")
_SNIFF_BYTES = 1 << 16
_MAGIC = {
    b"\x1f\x8b": "gzip: name it .gz",
    b"BZh": "bzip2: name it .bz2",
    b"\xfd7zXZ\0": "xz: name it .xz",
    b"\x28\xb5\x2f\xfd": "Zstandard: name it .zst",
    b"PAR1": "Parquet: name it .parquet",
    b"PK\x03\x04": "a ZIP archive: unpack it",
    b"%PDF": "a PDF: extract its text",
    b"\xff\xfe": "UTF-16: save it as UTF-8",
    b"\xfe\xff": "UTF-16: save it as UTF-8",
}


def read_documents(
    inputs: Sequence[str | Path],
    *,
    options: ReadOptions | None = None,
    report: ReadReport | None = None,
    rejects: Path | None = None,
) -> Iterator[Document]:
    """Yield the documents of a corpus in order, never holding more than one.

    Plain text has one sentence or paragraph a line and blank lines between documents. In
    ``.jsonl`` and ``.parquet`` files each row is a document, and newlines in its text part
    paragraphs. All but Parquet may be compressed (``.gz .bz2 .xz .zst``). A line that cannot be
    used is dropped and counted, and refused with ``options.strict``.

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
    """
    report = ReadReport() if report is None else report
    ledger = Ledger(options or ReadOptions(), report, rejects)
    num_documents = 0
    with closing(ledger):
        for source in find_sources(inputs):
            for document in _read(source, ledger):
                num_documents += 1
                report.documents += 1
                report.paragraphs += len(document.paragraphs)
                report.characters += sum(map(len, document.paragraphs))
                yield document
        ledger.finish()
    if not num_documents:
        raise DataError(
            f"the corpus holds no text ({', '.join(map(str, inputs))}).{ledger.listed()}"
        )


def _read(source: str | Path, ledger: Ledger) -> Iterator[Document]:
    if source == STDIN:
        yield from _read_stream(sys.stdin.buffer, "stdin", "", ledger)
        return
    if isinstance(source, str):
        yield from read_hub(source, ledger)
        return
    suffixes = [suffix.lower() for suffix in source.suffixes]
    is_compressed = suffixes[-1:] != [] and suffixes[-1] in COMPRESSED
    suffix = "".join(suffixes[-2:-1] if is_compressed else suffixes[-1:])
    if suffix in PARQUET:
        _refuse_unseekable(source, is_compressed=is_compressed)
        yield from read_parquet(source, ledger)
        return
    with open_binary(source, max_bytes=ledger.options.max_decompressed_bytes) as file:
        yield from _read_stream(file, str(source), suffix, ledger)


def _refuse_unseekable(path: Path, *, is_compressed: bool) -> None:
    if is_compressed:
        raise DataError("a Parquet file inside another compression: unpack it.", path=path)
    open_binary(path).close()
    if not path.is_file():
        raise DataError("Parquet can be read from a plain file only.", path=path)


def _read_stream(file: BinaryIO, source: str, suffix: str, ledger: Ledger) -> Iterator[Document]:
    try:
        start = file.read(_SNIFF_BYTES)
        _refuse_binary(start, source, suffix)
        whole = rewind(file, start)
        is_jsonl = suffix in JSONL or (source == "stdin" and start.lstrip()[:1] == b"{")
        yield from (read_jsonl if is_jsonl else read_text)(whole, source, ledger)
    except OSError as error:
        raise DataError(f"cannot be read ({error}).", path=source) from error


def _refuse_binary(start: bytes, source: str, suffix: str) -> None:
    for magic, what in _MAGIC.items():
        if start.startswith(magic):
            raise DataError(f"not text but {what}.", path=source)
    if b"\0" in start and suffix not in (*TEXT, *JSONL):
        raise DataError(
            "not text: there are NUL bytes near its beginning.",
            path=source,
            hint="If it is text all the same, name it .txt.",
        )
