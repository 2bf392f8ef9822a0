"""Files, folders, globs, standard input and hub data sets become a stream of documents.

>>> for document in read_documents(["books/", "news-*.jsonl.zst"]):
...     print(document.source, document.paragraphs[0])
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gloze.text.formats import Document, read_hub, read_jsonl, read_parquet, read_text
from gloze.text.report import Inspector, ReadOptions, ReadReport, Reject
from gloze.text.sources import find_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gloze.text.sources import Source

__all__ = ["Document", "ReadOptions", "ReadReport", "Reject", "read_documents"]
_READERS = {"text": read_text, "jsonl": read_jsonl, "parquet": read_parquet, "hub": read_hub}


def read_documents(
    inputs: Sequence[str | Path],
    *,
    options: ReadOptions | None = None,
    report: ReadReport | None = None,
    rejects: Path | Callable[[Reject], None] | None = None,
) -> Iterator[Document]:
    """Yield the documents of a corpus, in the order named, in memory bounded by ``options``.

    Files are looked for at once; their content is read as documents are asked for. Faulty lines
    are dropped and counted; the corpus is judged when it has been read to its end.

    Args:
        inputs: files, folders, globs, ``-`` for standard input, ``hf:NAME[:CONFIG]``.
        options: how to read, and how many faults to allow.
        report: is counted up while reading.
        rejects: a JSONL file to write dropped lines to, made at the first, or a function.

    Raises:
        DataError: if a file is missing, cut, damaged or not text, if there is no document, or if
            there are more faults than ``options`` allow.
        ConfigError: if nothing is named.
        MissingExtraError: if a hub is to be read and the ``datasets`` library is absent.
        WriteError: if ``rejects`` cannot be written.
    """
    sources = find_sources(inputs)
    names = ", ".join(map(str, [inputs] if isinstance(inputs, (str, Path)) else inputs))
    inspector = Inspector(options or ReadOptions(), report or ReadReport(), rejects)
    return _read(sources, inspector, names)


def _read(sources: list[Source], inspector: Inspector, names: str) -> Iterator[Document]:
    try:
        for source in sources:
            yield from _READERS[source.kind](source, inspector)
            inspector.report.files += 1
        inspector.finish(names)
    finally:
        inspector.close()
