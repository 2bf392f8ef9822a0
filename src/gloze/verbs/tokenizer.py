"""``gloze tokenizer``: a corpus becomes a vocabulary."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.core.files import new_folder
from gloze.core.progress import Progress, duration
from gloze.text.read import ReadOptions, ReadReport, read_documents
from gloze.tokenizers import (
    TOKENIZER_FILES,
    TokenizerConfig,
    learn_tokenizer,
    learn_words,
    load_tokenizer,
    with_words,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class TokenizerSummary:
    """What was learned from what, and where it lies.

    Attributes:
        path: the tokenizer folder.
        vocab_size: number of tokens.
        cased: whether capitals and accents are kept.
        fingerprint: SHA-256 of all that decides how text is cut.
        documents: read from the corpus.
        characters: read from the corpus.
        problems: how many faults of each kind the corpus had.
        places: the first faults, as ``path:line kind``.
        seconds: duration.
    """

    path: Path
    vocab_size: int
    cased: bool
    fingerprint: str
    documents: int
    characters: int
    problems: dict[str, int]
    places: list[str]
    seconds: float

    def __str__(self) -> str:
        case = "cased" if self.cased else "uncased"
        lines = [
            f"Learned {self.vocab_size:,} {case} tokens from {self.documents:,} documents "
            f"({self.characters:,} characters) in {duration(self.seconds)}."
        ]
        lines += [f"  fault in the corpus, {kind}: {n:,}" for kind, n in self.problems.items()]
        lines += [f"    {place}" for place in self.places]
        lines.append(f"Tokenizer: {self.path}")
        lines.append(f"Next: gloze prepare CORPUS --tokenizer {self.path} -o SHARDS")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON knows it."""
        return {**asdict(self), "path": str(self.path)}


def learn(
    corpus: Sequence[str | Path],
    *,
    output: str | Path,
    config: TokenizerConfig | None = None,
    options: ReadOptions | None = None,
    before: Sequence[str] = (),
    force: bool = False,
) -> TokenizerSummary:
    """Learn a tokenizer from a corpus and write its folder.

    The same corpus and settings give the same bytes, whatever the number of threads; memory is
    bounded whatever the size of the corpus.

    Example: ``gloze.learn_tokenizer(["books/"], output="vocab")``

    Args:
        corpus: files, folders, globs, or ``-`` for standard input.
        output: the folder to write.
        config: kind and size of the vocabulary.
        options: how the corpus is read.
        before: of whole words: some that come first, met or not.
        force: replace an earlier tokenizer in ``output``.

    Raises:
        DataError: if the corpus is missing, broken, empty or too small for the vocabulary.
        ConfigError: if ``output`` exists, or the vocabulary is smaller than its letters.
        WriteError: if ``output`` cannot be written.
    """
    output, report = Path(output), ReadReport()
    with (
        new_folder(output, force=force, ours=TOKENIZER_FILES) as folder,
        Progress("tokenizer") as progress,
    ):
        tokenizer = learn_tokenizer(
            lambda: _paragraphs(corpus, options or ReadOptions(), report, progress),
            config or TokenizerConfig(),
            before,
        )
        tokenizer.save(folder)
        seconds = progress.seconds
    return TokenizerSummary(
        path=output,
        vocab_size=tokenizer.vocab_size,
        cased=tokenizer.is_cased,
        fingerprint=tokenizer.fingerprint,
        documents=report.documents,
        characters=report.characters,
        problems=dict(report.problems),
        places=list(report.places),
        seconds=seconds,
    )


@dataclass(frozen=True)
class ExtensionSummary:
    """What was added to a vocabulary, and where the new one lies.

    Attributes:
        path: the tokenizer folder.
        words: that came in, best first.
        replaced: how many took the place of an unused entry.
        vocab_size: of the whole.
    """

    path: Path
    words: list[str]
    replaced: int
    vocab_size: int

    def __str__(self) -> str:
        first = ", ".join(self.words[:10]) + (", ..." if len(self.words) > 10 else "")
        return (
            f"Added {len(self.words):,} words of the corpus to the vocabulary, {self.replaced:,} "
            f"of them in the place of unused entries; it has {self.vocab_size:,}: {first}"
        )


def extend(
    corpus: Sequence[str | Path], tokenizer: str | Path, number: int, *, output: Path
) -> ExtensionSummary:
    """Add the words of a corpus that save most tokens to a vocabulary; write the new one.

    Args:
        corpus: files, folders or globs.
        tokenizer: a folder or file of WordPiece.
        number: of words.
        output: the folder to write.

    Raises:
        ConfigError: if the tokenizer cannot be extended.
        DataError: if the corpus is missing, broken, or has too few such words.
        WriteError: if ``output`` cannot be written.
    """
    base = load_tokenizer(tokenizer)
    with new_folder(output, force=False) as folder, Progress("tokenizer") as progress:
        texts = _paragraphs(corpus, ReadOptions(), ReadReport(), progress)
        words = learn_words(texts, base, number)
        extended = with_words(base, words)
        extended.save(folder)
    grown = extended.vocab_size - base.vocab_size
    return ExtensionSummary(output, words, number - grown, extended.vocab_size)


def _paragraphs(
    corpus: Sequence[str | Path], options: ReadOptions, report: ReadReport, progress: Progress
) -> Iterator[str]:
    """Yield the paragraphs of the corpus, saying how far it is read."""
    for document in read_documents(corpus, options=options, report=report):
        yield from document.paragraphs
        progress.show(
            f"{report.documents:,} documents, {report.characters / 1e6:,.1f} million characters"
        )
    progress.show("learning")
