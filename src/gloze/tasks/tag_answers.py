"""Scores of words to tags: each word's best, or the best whole sequence; chunks; files of them."""

from __future__ import annotations

import contextlib
import unicodedata
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from gloze.core.batch import IGNORE
from gloze.core.errors import DataError
from gloze.core.files import new_file, writing
from gloze.core.ranges import ranges
from gloze.data.collate import cut_parts
from gloze.metrics.chunks import chunks
from gloze.nn.crf import best_tags, forbid
from gloze.tasks.tagger import summed_loss

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt
    from torch import Tensor

    from gloze.core.batch import Ints
    from gloze.nn.crf import LinearChain
    from gloze.tasks.schemes import Rules
    from gloze.tasks.sentences import Sentence

    Floats = npt.NDArray[np.float32]

_WORDS_AT_ONCE = 1 << 16


class Entity(NamedTuple):
    """A chunk of an answer.

    Attributes:
        type: such as ``PER``; empty if tags have no types.
        text: its words.
        start: number of its first word.
        end: number of the word after its last.
    """

    type: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class TaggedWords:
    """An answer.

    Attributes:
        words: as given; of segmented text its characters.
        tags: of each word.
        probabilities: of each tag.
        entities: the chunks that the tags write, as conlleval reads them; none if tags are no
            chunks.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    probabilities: tuple[float, ...]
    entities: tuple[Entity, ...]

    @property
    def segmented(self) -> str:
        """Words made of characters, with spaces between; one that is of no entity is a word."""
        found: list[str] = []
        end = 0
        for entity in self.entities:
            found += (*self.words[end : entity.start], entity.text)
            end = entity.end
        return " ".join((*found, *self.words[end:]))


def answer(sentence: Sentence, tags: Sequence[str], shares: Floats, scheme: str) -> TaggedWords:
    """Return the answer to a sentence; tags of the scheme ``none`` are no chunks."""
    words = sentence.words
    entities = tuple(
        Entity(kind, _text(words[start:end], is_segmented=sentence.is_segmented), start, end)
        for kind, start, end in (chunks(tags) if scheme != "none" else [])
    )
    return TaggedWords(words, tuple(tags), tuple(shares.tolist()), entities)


def _text(words: Sequence[str], *, is_segmented: bool) -> str:
    """Return words with spaces between; characters, and Chinese given as such, without."""
    is_wide = all(len(w) == 1 and unicodedata.east_asian_width(w) in "WF" for w in words)
    return ("" if is_segmented or is_wide else " ").join(words)


@dataclass(frozen=True)
class Decoder:
    """How scores become tags.

    Attributes:
        chain: of the head, if it has one.
        rules: what is allowed, if anything is forbidden.
    """

    chain: LinearChain | None = None
    rules: Rules | None = None

    def decode(self, scores: Floats, sizes: Ints) -> tuple[Ints, Floats]:
        """Return the tag of each word by its number, and its probability.

        The probability is the softmax of the word's scores, or with a chain the share of all
        sequences that have this tag there.

        Args:
            scores: of the words of all sentences end to end, [words, labels].
            sizes: words of each sentence, [sentences].
        """
        tags = np.zeros(len(scores), dtype=np.int64)
        shares = np.zeros(len(scores), dtype=np.float32)
        for where, lengths in _groups(sizes):
            best, probabilities = self._decode(torch.from_numpy(scores[where]), lengths)
            tags[where] = best.cpu().numpy()
            shares[where] = probabilities.gather(1, best[:, None])[:, 0].cpu().numpy()
        return tags, shares

    def _decode(self, scores: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        if self.chain is None and self.rules is None:
            return scores.argmax(-1), scores.softmax(-1)
        width = scores.shape[1]
        weights = [torch.zeros(width), torch.zeros(width, width), torch.zeros(width)]
        probabilities = scores.softmax(-1)
        if (chain := self.chain) is not None:
            scores, lengths = scores.to(chain.start.device), lengths.to(chain.start.device)
            weights = [weight.detach() for weight in (chain.start, chain.steps(), chain.end)]
            probabilities = chain.marginals(scores, lengths)
        if self.rules is not None:
            weights = [
                weight + forbid(torch.from_numpy(allowed)).to(weight.device)
                for weight, allowed in zip(weights, self.rules, strict=True)
            ]
        return best_tags(scores, lengths, *weights), probabilities


def mean_loss(scores: Floats, labels: Ints, sizes: Ints, chain: LinearChain | None) -> float:
    """Return the loss of training, a word, over all words whose labels are known.

    Args:
        scores: of the words of all sentences end to end, [words, labels].
        labels: of the words, ``IGNORE`` where training does not know it, [words].
        sizes: words of each sentence, [sentences].
        chain: of the head, if it has one.
    """
    device = "cpu" if chain is None else chain.start.device
    loss = 0.0
    for where, lengths in _groups(sizes):
        own, right = torch.from_numpy(scores[where]), torch.from_numpy(labels[where])
        with torch.no_grad():
            found = summed_loss(own.to(device), right.to(device), lengths.to(device), chain)
        loss += found.item()
    return loss / max(int(np.count_nonzero(labels != IGNORE)), 1)


def _groups(sizes: Ints) -> Iterator[tuple[Ints, Tensor]]:
    """Yield the words of sentences of like length, and these lengths; empty sentences left out."""
    starts = np.cumsum(sizes) - sizes
    order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
    for first, last in cut_parts(sizes[order], _WORDS_AT_ONCE):
        group = order[first:last]
        yield ranges(starts[group], sizes[group]), torch.from_numpy(sizes[group])


class TextAnswers:
    """Writes sentences back as text: their lines with one more column, or words with spaces."""

    def __init__(self, file: IO[str], path: Path) -> None:
        self.file, self.path = file, path

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, *, force: bool) -> Iterator[TextAnswers]:
        """Yield a writer; the file appears when the block ends without an error."""
        with (
            new_file(path, force=force) as temporary,
            writing(path),
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            yield cls(file, path)

    def write(self, examples: Sequence[Sentence], answers: Sequence[TaggedWords]) -> None:
        """Append sentences."""
        for example, said in zip(examples, answers, strict=True):
            lines = self._words if example.is_segmented else self._lines
            self.file.writelines(f"{line}\n" for line in lines(example, said))

    def _words(self, example: Sentence, said: TaggedWords) -> Iterator[str]:
        block = example.block
        if block is None:
            yield said.segmented
        else:
            for number in range(len(block.lines)):
                yield said.segmented if number in block.words else ""

    def _lines(self, example: Sentence, said: TaggedWords) -> Iterator[str]:
        block = example.block
        if block is None:
            yield from self._plain_lines(example, said)
            return
        tags = dict(zip(block.words, said.tags, strict=True))
        for number, line in enumerate(block.lines):
            if number in tags:
                yield f"{line.rstrip(' ')}{block.separator}{tags[number]}"
            else:
                yield f"{line}{block.separator}O" if block.is_mark(line) else line

    def _plain_lines(self, example: Sentence, said: TaggedWords) -> Iterator[str]:
        for word, tag in zip(said.words, said.tags, strict=True):
            if any(character in word for character in "\t\n\r"):
                raise DataError(
                    f"{word!r:.40} holds a tab or a line break, which columns cannot.",
                    path=self.path,
                    line=example.line,
                    hint="Write .jsonl instead.",
                )
            yield f"{word}\t{tag}"
        yield ""
