"""``gloze vectors convert``: word vectors from one kind of file into another."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gloze.core.errors import ConfigError
from gloze.core.output import refuse_existing, refuse_inputs
from gloze.core.progress import Progress, say
from gloze.interop.vector_tables import find_vectors, load_word_vectors, write_table
from gloze.text.read import ReadReport, read_documents
from gloze.vectors.folder import FILES, save_vectors
from gloze.vectors.idf import document_weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


Target = Literal["gloze", "text", "binary", "glove"]


@dataclass(frozen=True)
class ConvertedVectors:
    """What was written.

    Attributes:
        path: the folder or file.
        form: of it.
        words: how many.
        size: numbers of each.
        bytes: of the file, or of all files of the folder.
    """

    path: Path
    form: Target
    words: int
    size: int
    bytes: int

    def __str__(self) -> str:
        return (
            f"Wrote {self.words:,} words of {self.size} numbers ({self.bytes / 1e6:,.1f} MB, "
            f"{self.form}): {self.path}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        return {**asdict(self), "path": str(self.path)}


def convert_vectors(
    vectors: str | Path,
    output: str | Path,
    *,
    form: Target = "gloze",
    idf: Sequence[str | Path] = (),
    force: bool = False,
) -> ConvertedVectors:
    """Write word vectors as a folder of ours, or as a file that other software reads.

    A folder of ours is mapped when it is loaded: of millions of words the first answer comes in
    about a second.

    Args:
        vectors: a folder of ours, a run, or a file of word2vec or GloVe.
        output: the folder or file to write; a file whose name ends in .gz is compressed.
        form: ``gloze``, a folder; ``text`` and ``binary`` of word2vec; ``glove``.
        idf: a corpus whose documents give each word its weight, kept in a folder of ours.
        force: replace ``output`` if it exists.

    Raises:
        ConfigError: if ``output`` exists, or weights would be lost.
        DataError: if vectors or corpus cannot be read.
        WriteError: if ``output`` cannot be written.
    """
    output = Path(output)
    if idf and form != "gloze":
        raise ConfigError(f"--idf gives words weights, which {form} has no place for.")
    refuse_existing(output, force=force, ours=FILES if form == "gloze" else ())
    refuse_inputs(output, [find_vectors(vectors) or vectors, *idf])
    table = load_word_vectors(vectors)
    if idf:
        report = ReadReport()
        table.idf = document_weights(table, _documents(idf, report))
        say(str(report))
    if form == "gloze":
        save_vectors(output, table, force=force)
    else:
        write_table(table, output, form, force=force)
    paths = [output] if output.is_file() else list(output.iterdir())
    total = sum(os.path.getsize(path) for path in paths)
    return ConvertedVectors(output, form, len(table), table.size, total)


def _documents(corpus: Sequence[str | Path], report: ReadReport) -> Iterator[str]:
    with Progress("idf") as progress:
        for document in read_documents(list(corpus), report=report):
            progress.show(f"{report.documents:,} documents")
            yield "\n".join(document.paragraphs)
