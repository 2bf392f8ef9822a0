"""``gloze vectors phrases``: a corpus in which the words of phrases are one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gloze.core.errors import ConfigError
from gloze.core.files import new_file, working_folder
from gloze.core.output import refuse_existing, refuse_inputs
from gloze.core.progress import Progress, duration
from gloze.data.cooccurrence import CooccurrenceConfig
from gloze.data.counts import count_tokens
from gloze.data.pair_counting import PairCounting
from gloze.data.pair_counts import Layout, PairCounts
from gloze.data.shards import Shards
from gloze.text.read import ReadReport, read_documents
from gloze.text.sentences import split_sentences
from gloze.tokenizers import TokenizerConfig, load_tokenizer
from gloze.tokenizers.whole_words import cut_words
from gloze.vectors.phrases import find_phrases, join_phrases
from gloze.verbs.prepare import prepare
from gloze.verbs.tokenizer import learn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# So many different words are told apart, the most frequent ones.
_MOST_WORDS = 2_000_000


@dataclass(frozen=True)
class PhrasesSummary:
    """What was joined, and where the text lies.

    Attributes:
        path: the file.
        phrases: different ones that were found in each pass.
        best: some of the last pass, the highest score first.
        words: of the text before.
        joined: of the text now.
        seconds: what it took.
    """

    path: Path
    phrases: list[int]
    best: list[str]
    words: int
    joined: int
    seconds: float

    def __str__(self) -> str:
        found = ", then ".join(f"{count:,}" for count in self.phrases)
        first = f": {', '.join(self.best)}" if self.best else ""
        return "\n".join(
            [
                f"Found {found} phrases{first}",
                f"{self.words:,} words became {self.joined:,} in {duration(self.seconds)}.",
                f"Text: {self.path}",
                f"Next: gloze pretrain skip-gram --corpus {self.path} -o RUN "
                "--set tokenizer.split=spaces",
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        return {**asdict(self), "path": str(self.path)}


def join_corpus(
    corpus: Sequence[str | Path],
    output: str | Path,
    *,
    threshold: float = 100.0,
    min_count: int = 5,
    passes: int = 1,
    config: TokenizerConfig | None = None,
    threads: int = 1,
    force: bool = False,
) -> PhrasesSummary:
    """Write the text of a corpus with the words of phrases joined by an underscore.

    A sentence stands on each line, its words parted by spaces, and an empty line after each
    document. Memory is bounded; work is kept beside ``output`` until it is done.

    Args:
        corpus: files, folders, globs.
        output: the file to write.
        threshold: of a phrase's score, see :func:`gloze.vectors.phrases.find_phrases`.
        min_count: of its words; also taken from the count of a phrase.
        passes: after two, phrases have up to four words.
        config: of kind ``words``: what becomes of capitals and accents, what parts words.
        threads: that count.
        force: replace ``output`` if it exists.

    Raises:
        ConfigError: if ``output`` exists or a setting is out of range.
        DataError: if the corpus is missing, broken or empty.
        WriteError: if ``output`` cannot be written.
    """
    output, config = Path(output), config or TokenizerConfig(kind="words")
    numbers = {"min_count": min_count, "passes": passes, "threads": threads}
    for name, value in {"threshold": threshold, **numbers}.items():
        if not value > 0:
            raise ConfigError(f"{name} is {value}; it must be over 0.")
    refuse_existing(output, force=force)
    refuse_inputs(output, corpus)
    with (
        Progress("phrases") as progress,
        new_file(output, force=force) as new,
        working_folder(output.parent, f"{output.name}-phrases") as folder,
    ):
        text = folder / "0.txt"
        _write(text, _sentences(corpus, config))
        found: list[int] = []
        words = 0
        for number in range(1, passes + 1):
            work = folder / str(number)
            phrases, total = _find(text, work, threshold, min_count, threads)
            words, found = words or total, [*found, len(phrases)]
            last, text = text, new if number == passes else folder / f"{number}.txt"
            joined = _write(text, (join_phrases(line, phrases) for line in _lines(last)))
            progress.show(f"pass {number}: {len(phrases):,} phrases")
        seconds = progress.seconds
    best = [" ".join(pair) for pair in list(phrases)[:10]]
    return PhrasesSummary(output, found, best, words, joined, seconds)


def _sentences(corpus: Sequence[str | Path], config: TokenizerConfig) -> Iterator[Iterable[str]]:
    """Yield the words of each sentence, and nothing after each document."""
    for document in read_documents(corpus, report=ReadReport()):
        sentences = [
            sentence for paragraph in document.paragraphs for sentence in split_sentences(paragraph)
        ]
        words, lengths = cut_words(sentences, config)
        ends = np.cumsum(lengths).tolist()
        for length, end in zip(lengths.tolist(), ends, strict=True):
            if length:
                yield words[end - length : end]
        yield ()


def _lines(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line.split()


def _write(path: Path, lines: Iterable[Iterable[str]]) -> int:
    """Write sentences; return how many words they have."""
    total = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            words = list(line)
            total += len(words)
            file.write(" ".join(words) + "\n")
    return total


def _find(
    text: Path, work: Path, threshold: float, min_count: int, threads: int
) -> tuple[dict[tuple[str, str], float], int]:
    """Return the phrases of a text, and how many words it has."""
    work.mkdir()
    own = TokenizerConfig(
        kind="words", vocab_size=_MOST_WORDS, min_count=1, cased=True, split="spaces"
    )
    learn([text], output=work / "words", config=own)
    prepare(
        [text],
        tokenizer=work / "words",
        output=work / "shards",
        sentences="line",
        valid_fraction=0.0,
    )
    shards, tokenizer = Shards.open(work / "shards", "train"), load_tokenizer(work / "words")
    word_counts = count_tokens(shards)
    first = len(tokenizer.special_ids)
    ids = first + np.argsort(-word_counts[first:], kind="stable")
    window = CooccurrenceConfig(size=1, weighting="flat", sides="after")
    layout = Layout(len(ids), is_symmetric=False)
    counting = PairCounting(shards, window, ids, layout, work / "counting", threads)
    counting.run(_never)
    counting.merge(work / "counts", _never)
    words = tokenizer.tokens(range(tokenizer.vocab_size))
    counts = PairCounts(work / "counts")
    phrases = find_phrases(counts, words, word_counts, threshold=threshold, min_count=min_count)
    return phrases, int(word_counts.sum())


def _never(done: int, total: int, what: str) -> None:
    """Stop at no time: nothing of this work can be gone on with."""
