"""``gloze prepare``: a corpus becomes shards of token ids."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.core.errors import ConfigError
from gloze.core.files import new_folder
from gloze.core.output import refuse_existing
from gloze.core.progress import Progress, duration
from gloze.data.encoding import ChunkEncoder, EncodedDocuments, SentenceMode, encode_documents
from gloze.data.shard_writer import ShardWriter
from gloze.data.shards import SHARD_FILES
from gloze.data.tasks import REJECTS, PrepareTasks
from gloze.text.read import Ledger, ReadOptions, ReadReport, read_documents
from gloze.tokenizers import load_segmenter, load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gloze.tokenizers.segmenters import Cut, Segmenter

UNKNOWN_WORTH_A_WORD = 0.01
# Share of documents that are held out.
VALID_FRACTION = 0.01
UNKNOWN_IS_MUCH = "  That is much:"


@dataclass(frozen=True)
class PrepareSummary:
    """What was made of what, and where it lies.

    Attributes:
        path: the shards folder.
        splits: tokens, sentences and documents of each split.
        unknown_rate: share of tokens that are the unknown token.
        empty_documents: documents without a token, dropped.
        problems: how many faults of each kind the corpus had.
        places: the first faults, as ``path:line kind``.
        rejects: the file with the refused lines, if there were any.
        characters: encoded.
        seconds: duration.
    """

    path: Path
    splits: dict[str, dict[str, int]]
    unknown_rate: float
    empty_documents: int
    problems: dict[str, int]
    places: list[str]
    rejects: Path | None
    characters: int
    seconds: float

    def __str__(self) -> str:
        lines = [
            f"Prepared {self.characters:,} characters in {duration(self.seconds)}; "
            f"{self.unknown_rate:.3%} of tokens are unknown."
        ]
        if self.unknown_rate > UNKNOWN_WORTH_A_WORD:
            lines.append(f"{UNKNOWN_IS_MUCH} a tokenizer learned from this corpus would know more.")
        for split, counts in self.splits.items():
            figures = ", ".join(f"{count:,} {what}" for what, count in counts.items())
            lines.append(f"  {split}: {figures}")
        if self.empty_documents:
            lines.append(f"  {self.empty_documents:,} documents without a token were dropped.")
        lines += [f"  fault in the corpus, {kind}: {n:,}" for kind, n in self.problems.items()]
        lines += [f"    {place}" for place in self.places]
        if self.rejects:
            lines.append(f"Refused lines: {self.rejects}")
        lines.append(f"Shards: {self.path}")
        lines.append(f"Next: gloze pretrain bert-mini --shards {self.path} -o RUN")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON knows it."""
        rejects = None if self.rejects is None else str(self.rejects)
        return {**asdict(self), "path": str(self.path), "rejects": rejects}


def prepare(
    corpus: Sequence[str | Path],
    *,
    tokenizer: str | Path,
    output: str | Path,
    workers: int = 1,
    sentences: SentenceMode = "rules",
    segmenter: str | Path | Segmenter | Cut | None = None,
    valid_fraction: float = VALID_FRACTION,
    seed: int = 0,
    options: ReadOptions | None = None,
    tasks: int | None = None,
    ray: str | None = None,
    force: bool = False,
) -> PrepareSummary:
    """Encode a corpus into a folder of shards, with some documents held out.

    The bytes depend on the corpus, its order, the tokenizer and the settings, never on
    ``workers`` or ``tasks``. Memory is bounded whatever the size of the corpus; a document is
    held whole.

    Example: ``gloze.prepare(["books/"], tokenizer="vocab", output="shards", workers=4)``

    Args:
        corpus: files, folders, globs, or ``-`` for standard input.
        tokenizer: a folder, a ``tokenizer.json`` or a ``vocab.txt``.
        output: the folder to write.
        workers: processes that encode; 1 stays in this one.
        sentences: ``rules`` splits paragraphs into sentences, ``line`` takes each as one.
        segmenter: says where words begin, for masking whole words where writing does not part
            them: ``jieba`` (the ``zh`` extra), ``spaces`` for text with spaces between words, the
            path of a word list, ``module:function``, or a function from a text to its words.
        valid_fraction: share of documents held out, 0 to below 1.
        seed: decides which documents are held out.
        options: how the corpus is read.
        tasks: work in so many tasks, which may be done on different machines; each reads whole
            files and leaves its part in ``output`` with ``.parts`` behind its name. Tasks done
            already are passed over. When all are done the parts become the shards, and go.
        ray: do the tasks on the Ray cluster of this address (``auto``, ``local``).
        force: replace earlier shards in ``output``.

    Raises:
        DataError: if the corpus or tokenizer is missing or broken, or there is too little.
        ConfigError: if ``output`` exists or a setting is out of range.
        WriteError: if ``output`` cannot be written.
    """
    _check_fraction(valid_fraction)
    output, report, options = Path(output), ReadReport(), options or ReadOptions()
    loaded = load_tokenizer(tokenizer)
    words = load_segmenter(segmenter)
    encoder, shared = ChunkEncoder(loaded, sentences, words), None
    if tasks is not None:
        refuse_existing(output, force=force, ours=(*SHARD_FILES, REJECTS))
        shared = PrepareTasks.of(corpus, tokenizer, output, sentences, options, tasks, words)
        _do_missing(shared, workers, ray)
    elif ray is not None:
        raise ConfigError("--ray needs --tasks: in how many tasks the cluster is to work.")
    with (
        new_folder(output, force=force, ours=(*SHARD_FILES, REJECTS)) as folder,
        Progress("prepare") as progress,
        ShardWriter(folder, loaded, valid_fraction, seed, words) as writer,
    ):
        rejects = folder / REJECTS
        if shared is None:
            paragraphs = _paragraphs(corpus, options, report, rejects)
            encoded = encode_documents(paragraphs, encoder, workers=workers)
        else:
            encoded = shared.encoded(Ledger(options, report, None), rejects)
        figures = _write(writer, encoded, progress)
        figures |= {
            "empty_documents": writer.num_empty,
            "problems": dict(report.problems),
            "sentence_mode": sentences,
        }
        index = writer.finish(figures)
        refused = output / REJECTS if rejects.exists() else None
        seconds = progress.seconds
    if shared is not None:
        shared.remove()
    return PrepareSummary(
        path=output,
        splits=index["splits"],
        unknown_rate=figures["unknown_tokens"] / max(1, figures["tokens"]),
        empty_documents=writer.num_empty,
        problems=dict(report.problems),
        places=list(report.places),
        rejects=refused,
        characters=figures["characters"],
        seconds=seconds,
    )


def _check_fraction(valid_fraction: float) -> None:
    if not 0 <= valid_fraction < 1:
        raise ConfigError(f"valid_fraction {valid_fraction} is not a share from 0 to below 1.")


def _paragraphs(
    corpus: Sequence[str | Path], options: ReadOptions, report: ReadReport, rejects: Path
) -> Iterator[list[str]]:
    for document in read_documents(corpus, options=options, report=report, rejects=rejects):
        yield document.paragraphs


def _do_missing(tasks: PrepareTasks, workers: int, ray: str | None) -> None:
    """Do all tasks that are not done yet, here or on a cluster."""
    if ray is not None:
        if workers != 1:
            raise ConfigError("--workers does nothing beside --ray: each task is one process.")
        from gloze.data.cluster import do_on_cluster

        done = do_on_cluster(tasks, ray)
    else:
        done = _do_here(tasks, workers)
    with Progress("prepare") as progress:
        for number in done:
            left = len(tasks.missing())
            progress.show(f"task {number} of {tasks.count} done, {left:,} left")


def _do_here(tasks: PrepareTasks, workers: int) -> Iterator[int]:
    for number in tasks.missing():
        tasks.do(number, workers=workers)
        yield number


def _write(
    writer: ShardWriter, documents: Iterator[EncodedDocuments], progress: Progress
) -> dict[str, Any]:
    """Write all documents; return the figures of the whole."""
    tokens = unknown = characters = 0
    for encoded in documents:
        writer.add(encoded)
        tokens += len(encoded.tokens)
        unknown += encoded.num_unknown
        characters += encoded.num_characters
        progress.show(
            f"{writer.num_documents:,} documents, {characters / 1e6:,.1f} million characters, "
            f"{tokens / max(progress.seconds, 1e-9):,.0f} tokens a second"
        )
    return {"tokens": tokens, "unknown_tokens": unknown, "characters": characters}
