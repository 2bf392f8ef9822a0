"""Scores of words to tags: each word's best, or the best whole sequence; chunks; files of them."""

from __future__ import annotations

import contextlib
import unicodedata
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from gloze.core.errors import DataError
from gloze.core.files import new_file, writing
from gloze.core.ranges import ranges
from gloze.data.collate import cut_parts
from gloze.metrics.chunks import chunks
from gloze.nn.crf import LinearChain, best_tags, forbid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt
    from torch import Tensor

    from gloze.core.batch import Ints
    from gloze.tasks.schemes import Rules
    from gloze.tasks.sentences import Sentence

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
        """The texts of the entities with spaces between: words made of characters."""
        return " ".join(entity.text for entity in self.entities)


def answer(
    words: tuple[str, ...], tags: Sequence[str], probabilities: Sequence[float], *, has_chunks: bool
) -> TaggedWords:
    """Return the answer to a sentence."""
    found = chunks(tags) if has_chunks else []
    entities = tuple(
        Entity(kind, join(words[start:end]), start, end) for kind, start, end in found
    )
    return TaggedWords(words, tuple(tags), tuple(probabilities), entities)


def join(words: Sequence[str]) -> str:
    """Return words as text: with spaces, or without if each is a single wide character."""
    is_wide = all(len(w) == 1 and unicodedata.east_asian_width(w) in "WF" for w in words)
    return ("" if is_wide else " ").join(words)


@dataclass(frozen=True)
class Decoder:
    """How scores become tags.

    Attributes:
        chain: of the head, if it has one.
        rules: what is allowed, if anything is forbidden.
    """

    chain: LinearChain | None = None
    rules: Rules | None = None

    def decode(
        self, scores: npt.NDArray[np.float32], sizes: Ints
    ) -> tuple[Ints, npt.NDArray[np.float32]]:
        """Return the tag of each word by its number, and its probability.

        The probability is the softmax of the word's scores, or with a chain the share of all
        sequences that have this tag there.

        Args:
            scores: of the words of all sentences end to end, [words, labels].
            sizes: words of each sentence, [sentences].
        """
        tags = np.zeros(len(scores), dtype=np.int64)
        shares = np.zeros(len(scores), dtype=np.float32)
        starts = np.cumsum(sizes) - sizes
        order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
        for first, last in cut_parts(sizes[order], _WORDS_AT_ONCE):
            group = order[first:last]
            where, lengths = ranges(starts[group], sizes[group]), torch.from_numpy(sizes[group])
            own = torch.from_numpy(scores[where])
            best, probabilities = (found.cpu() for found in self._decode(own, lengths))
            tags[where] = best.numpy()
            shares[where] = probabilities.gather(1, best[:, None])[:, 0].numpy()
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
            if example.is_segmented:
                self.file.write(f"{said.segmented}\n")
            else:
                self.file.writelines(f"{line}\n" for line in self._lines(example, said))

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
