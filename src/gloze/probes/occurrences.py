"""An index of the words of a corpus in their sentences, each with its vector there.

On disk an index is a folder of memory-mapped arrays beside a small JSON: making it takes memory
for a block of sentences and for the different words, searching it memory for a block of vectors.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from gloze.core.errors import DataError
from gloze.core.files import new_folder, read_json, write_json
from gloze.core.manifest import MANIFEST, verify_manifest, write_manifest
from gloze.data.array_file import ArrayFile
from gloze.probes.index_arrays import KINDS, open_arrays
from gloze.probes.search import cosines, unit_length
from gloze.probes.words import Phrase, Word, vectors_at, without_spaces, words_of
from gloze.vectors.search import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from gloze.inference.model import Model

FILES = ("index.json", MANIFEST, *(f"{name}.npy" for name in KINDS))
_FORMAT = 1
_SENTENCES_AT_ONCE = 256
# Characters shown on each side of an occurrence.
_SIDE = 34


@dataclass(frozen=True)
class Hit:
    """An occurrence that was found.

    Attributes:
        cosine: of its vector with that of the query.
        word: as it stands in the sentence.
        start, end: where it stands.
        sentence: all of it.
    """

    cosine: float
    word: str
    start: int
    end: int
    sentence: str

    @property
    def in_context(self) -> str:
        """The sentence around it in one line, the word in brackets."""
        before = " ".join(self.sentence[: self.start].split())
        after = " ".join(self.sentence[self.end :].split())
        left = before if len(before) <= _SIDE else f"...{before[-_SIDE:]}"
        right = after if len(after) <= _SIDE else f"{after[:_SIDE]}..."
        return f"{left} [{self.word}] {right}".strip()


@dataclass(frozen=True)
class IndexFacts:
    """What an index was made of.

    Attributes:
        model: SHA-256 of the weights.
        tokenizer: fingerprint.
        layer: whose vectors these are, counted from 0, the embeddings.
        corpus: what was read.
        sentences: how many.
        occurrences: how many words have a vector.
        unknown: words that were left out because the vocabulary does not know them.
    """

    model: str
    tokenizer: str
    layer: int
    corpus: list[str]
    sentences: int
    occurrences: int
    unknown: int


def build_index(
    folder: Path,
    model: Model,
    sentences: Iterable[str],
    facts: IndexFacts,
    *,
    only: Collection[str] = (),
    force: bool = False,
    told: Callable[[int, int], None] = lambda sentences, occurrences: None,
) -> IndexFacts:
    """Write an index of the words of ``sentences``, whole or not at all.

    Args:
        folder: to write.
        model: whose vectors.
        sentences: are read once.
        facts: of model, layer and corpus; the counts are filled in.
        only: the words that are wanted, as they are named; all if empty.
        force: replace ``folder`` if it is an index.
        told: called on the way with how many sentences and occurrences there are.

    Raises:
        ConfigError: if ``folder`` exists.
        DataError: if there is no occurrence.
        WriteError: if the disk is full or the place cannot be written to.
    """
    with new_folder(folder, force=force, ours=FILES) as temporary:
        with closing(_Building(temporary, model, only)) as building:
            kept = iter(sentences)
            while block := list(islice(kept, _SENTENCES_AT_ONCE)):
                building.add(block, facts.layer)
                told(building.sentences, building.occurrences)
            building.finish()
        if not building.occurrences:
            raise DataError("the corpus has no occurrence of such a word.", path=folder)
        facts = replace(
            facts,
            sentences=building.sentences,
            occurrences=building.occurrences,
            unknown=building.unknown,
        )
        content = {"format": _FORMAT, **asdict(facts), "words": list(building.numbers)}
        write_json(temporary / "index.json", content)
        write_manifest(temporary)
    return facts


class _Building:
    """The arrays of an index while they grow."""

    def __init__(self, folder: Path, model: Model, only: Collection[str]) -> None:
        self.model, self.only = model, frozenset(only)
        self.unknown_name = model.tokenizer.tokens([model.tokenizer.unk_id])[0]
        rows = {"vectors": (model.encoder.output_size,), "places": (2,)}
        self.files = {
            name: ArrayFile(folder / f"{name}.npy", np.dtype(kind), rows.get(name, ()))
            for name, kind in KINDS.items()
        }
        self.numbers: dict[str, int] = {}
        self.sentences = self.occurrences = self.unknown = self.bytes = 0

    def add(self, sentences: Sequence[str], layer: int) -> None:
        wanted = [self._wanted(words) for words in words_of(self.model.tokenizer, sentences)]
        some = [pair for pair in zip(sentences, wanted, strict=True) if pair[1]]
        features = self.model.features([sentence for sentence, _ in some], (layer,))
        for (sentence, words), found in zip(some, features, strict=True):
            self._add_sentence(sentence, words, vectors_at(found, words))

    def _wanted(self, words: Sequence[Word]) -> list[Word]:
        known = [word for word in words if self.unknown_name not in word.name.split(" ")]
        self.unknown += len(words) - len(known)
        return [word for word in known if not self.only or word.name in self.only]

    def _add_sentence(
        self, sentence: str, words: Sequence[Word], vectors: npt.NDArray[np.float32]
    ) -> None:
        numbers = [self.numbers.setdefault(word.name, len(self.numbers)) for word in words]
        text = sentence.encode()
        self.bytes += len(text)
        self.files["vectors"].add(vectors)
        self.files["words"].add(np.array(numbers))
        self.files["sentences"].add(np.full(len(words), self.sentences))
        self.files["places"].add(np.array([word[:2] for word in words]))
        self.files["text"].add(np.frombuffer(text, dtype=np.uint8))
        self.files["text_ends"].add(np.array([self.bytes]))
        self.sentences += 1
        self.occurrences += len(words)

    def finish(self) -> None:
        for file in self.files.values():
            file.finish()

    def close(self) -> None:
        for file in self.files.values():
            file.close()


class Index:
    """An index on disk, opened for search.

    Attributes:
        facts: what it was made of.
        numbers: of each word, by its name.
        size: numbers of a vector.
    """

    def __init__(self, folder: Path) -> None:
        """Open the index in ``folder``.

        Raises:
            DataError: if it is no index, or a file is missing, cut, altered or broken.
        """
        self.folder = folder
        if (folder / MANIFEST).exists():
            verify_manifest(folder)
        content = read_json(folder / "index.json")
        if not isinstance(content, dict) or content.pop("format", None) != _FORMAT:
            raise DataError("not an index of this version.", path=folder)
        try:
            self.numbers = {word: number for number, word in enumerate(content.pop("words", []))}
            self.facts = IndexFacts(**content)
        except TypeError as error:
            raise DataError(f"not an index ({error}).", path=folder / "index.json") from None
        facts = self.facts
        if any(type(n) is not int for n in (facts.layer, facts.sentences, facts.occurrences)):
            raise DataError("counts that are no whole numbers.", path=folder / "index.json")
        self.arrays = open_arrays(
            folder,
            words=len(self.numbers),
            sentences=facts.sentences,
            occurrences=facts.occurrences,
        )
        self.size = self.arrays["vectors"].shape[1]

    def occurrences(self, phrase: Phrase) -> npt.NDArray[np.int64]:
        """Return where words stand as in the phrase: the row of the first of them, [rows]."""
        words, sentences = self.arrays["words"], self.arrays["sentences"]
        rows = np.flatnonzero(words == self.numbers.get(next(iter(phrase.names), ""), -1))
        pairs = zip(phrase.names[1:], phrase.between, strict=True)
        for place, (name, between) in enumerate(pairs, 1):
            rows = rows[rows + place < len(words)]
            same = sentences[rows + place] == sentences[rows]
            rows = rows[same & (words[rows + place] == self.numbers.get(name, -1))]
            # Words that are not in the index may stand between, and punctuation.
            alike = [self._between(row + place) == between for row in rows.tolist()]
            rows = rows[np.array(alike, dtype=bool)]
        return rows

    def nearest(
        self, query: npt.NDArray[np.float32], top: int, phrase: Phrase | None = None
    ) -> list[Hit]:
        """Return the occurrences nearest to a vector of length 1, nearest first.

        Args:
            query: the vector, [size].
            top: how many at most.
            phrase: only where its words stand so; any word if left out.
        """
        vectors = self.arrays["vectors"]
        if phrase is None:
            scores = cosines(vectors, query)
            return [self._hit(row, 1, scores[row]) for row in nearest(scores, top).tolist()]
        rows, length = self.occurrences(phrase), len(phrase.names)
        if not len(rows):
            return []
        if length == 1:
            scores = cosines(vectors, query, rows)
        else:
            sums = sum(vectors[rows + place].astype(np.float32) for place in range(length))
            scores = cosines(unit_length(np.asarray(sums)), query)
        return [self._hit(int(rows[i]), length, scores[i]) for i in nearest(scores, top)]

    def _hit(self, row: int, length: int, score: np.float32) -> Hit:
        sentence = self._sentence(row)
        first = int(self.arrays["places"][row, 0])
        last = int(self.arrays["places"][row + length - 1, 1])
        return Hit(float(score), sentence[first:last], first, last, sentence)

    def _sentence(self, row: int) -> str:
        number = int(self.arrays["sentences"][row])
        ends = self.arrays["text_ends"]
        start = int(ends[number - 1]) if number else 0
        try:
            return str(self.arrays["text"][start : int(ends[number])].tobytes().decode())
        except UnicodeDecodeError as error:
            raise DataError(
                f"sentence {number} is not UTF-8 at byte {start + error.start}.",
                path=self.folder / "text.npy",
            ) from None

    def _between(self, row: int) -> str:
        """Return what stands between a word and the one before it."""
        first, last = self.arrays["places"][row - 1, 1], self.arrays["places"][row, 0]
        return without_spaces(self._sentence(row)[int(first) : int(last)])
