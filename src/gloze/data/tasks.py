"""A corpus encoded in several tasks, on one machine or many, each leaving its part on disk.

Which files a task reads follows from their sizes alone, so any machine can do any task, in any
order and more than once; all parts together are the corpus in its order.
"""

from __future__ import annotations

import os
import shutil
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gloze.core.errors import ConfigError, DataError
from gloze.core.files import new_folder, read_json, write_json
from gloze.core.lists import as_list
from gloze.core.manifest import verify_manifest, write_manifest
from gloze.core.output import refuse_existing, refuse_inputs
from gloze.data.array_file import ArrayFile
from gloze.data.encoding import ChunkEncoder, EncodedDocuments, SentenceMode, encode_documents
from gloze.data.shards import smallest_dtype
from gloze.text.read import Ledger, ReadOptions, ReadReport, read_sources
from gloze.text.sources import HUB, STDIN, Source, find_sources
from gloze.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gloze.tokenizers import Segmenter, Tokenizer

REJECTS = "rejects.jsonl"
_NOTE = "part.json"
# Numbers of each chunk: how much of each array it holds, whether its last document goes on in the
# next, and what it was made of.
_COLUMNS = ("tokens", "lengths", "sizes", "is_open", "num_characters", "num_unknown")


@dataclass(frozen=True, kw_only=True)
class PrepareTasks:
    """The tasks of one preparation.

    Attributes:
        corpus: files, folders, globs, ``hf:NAME``; the same on every machine.
        tokenizer: a folder or file.
        sentences: how paragraphs become sentences.
        options: how the corpus is read.
        folder: where the parts lie; the same to all machines.
        count: how many tasks.
        segmenter: says where words begin, if not the tokenizer.
    """

    corpus: tuple[str, ...]
    tokenizer: str
    sentences: SentenceMode
    options: ReadOptions
    folder: Path
    count: int
    segmenter: Segmenter | None = None

    @classmethod
    def of(
        cls,
        corpus: Sequence[str | Path],
        tokenizer: str | Path,
        output: Path,
        sentences: SentenceMode,
        options: ReadOptions,
        count: int,
        segmenter: Segmenter | None = None,
    ) -> PrepareTasks:
        """Return the tasks that lead to the shards ``output``; their parts lie beside it."""
        each: list[str | Path] = as_list(corpus)
        return cls(
            corpus=tuple(map(str, each)),
            tokenizer=str(tokenizer),
            sentences=sentences,
            options=options,
            folder=output.with_name(f"{output.name}.parts"),
            count=count,
            segmenter=segmenter,
        )

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"--tasks {self.count}: there must be at least one.")
        if STDIN in self.corpus:
            raise ConfigError("Standard input (-) cannot be shared out among tasks: save it first.")
        if self.folder.exists():
            refuse_existing(self.folder, force=True, ours=("part-*-of-*",))
            refuse_inputs(self.folder, (*self.corpus, self.tokenizer))

    def path(self, number: int) -> Path:
        """Return where the part of a task lies, or will; tasks count from 1."""
        return self.folder / f"part-{number:05d}-of-{self.count:05d}"

    def remove(self) -> None:
        """Remove the parts, and their folder if nothing else is in it."""
        for number in range(1, self.count + 1):
            shutil.rmtree(self.path(number), ignore_errors=True)
        with suppress(OSError):
            self.folder.rmdir()

    def missing(self) -> list[int]:
        """Return the tasks that are still to be done."""
        return [number for number in range(1, self.count + 1) if not self.path(number).exists()]

    def do(self, number: int, *, workers: int = 1) -> None:
        """Encode the files of a task and write its part; one that is there already stays.

        Raises:
            ConfigError: for a task there is not.
            DataError: if a file is missing or broken.
            WriteError: if the part cannot be written.
        """
        if not 1 <= number <= self.count:
            raise ConfigError(f"--task {number}: there are tasks 1 to {self.count}.")
        if self.path(number).exists():
            return
        sources = find_sources(self.corpus)
        tokenizer = load_tokenizer(self.tokenizer)
        encoder = ChunkEncoder(tokenizer, self.sentences, self.segmenter)
        # Before they are read: what changes meanwhile must show.
        made_of = self._made_of(sources, tokenizer)
        with new_folder(self.path(number), force=True) as folder:
            ledger = Ledger(self.options, ReadReport(), folder / REJECTS)
            writer = _PartWriter(folder, smallest_dtype(tokenizer.vocab_size))
            with closing(ledger), closing(writer):
                own = self._shares(sources)[number - 1]
                texts = (document.paragraphs for document in read_sources(own, ledger))
                for encoded in encode_documents(texts, encoder, workers=workers):
                    writer.add(encoded)
                writer.finish()
            note = {"made_of": made_of, "ledger": ledger.to_dict()}
            write_json(folder / _NOTE, note)
            write_manifest(folder)

    def encoded(self, ledger: Ledger, rejects: Path) -> Iterator[EncodedDocuments]:
        """Return the whole corpus as ids, in its order, once all tasks are done.

        Args:
            ledger: gets what the tasks noted, and judges the corpus at its end.
            rejects: gets the refused lines, if there are any.

        Raises:
            ConfigError: if a task is not done, or was done with another corpus or setting.
            DataError: if a part is damaged, or the corpus has too many faults.
        """
        if missing := self.missing():
            shown = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
            raise ConfigError(f"{len(missing)} of {self.count} tasks are not done yet: {shown}.")
        made_of = self._made_of(find_sources(self.corpus), load_tokenizer(self.tokenizer))
        for number in range(1, self.count + 1):
            folder = self.path(number)
            verify_manifest(folder)
            note = read_json(folder / _NOTE)
            self._refuse_other(note.get("made_of"), made_of, folder)
            ledger.add(note["ledger"])
            if (refused := folder / REJECTS).exists():
                with rejects.open("ab") as file:
                    file.write(refused.read_bytes())
            yield from _read_part(folder)
        ledger.finish()

    def _made_of(self, sources: Sequence[Source], tokenizer: Tokenizer) -> dict[str, Any]:
        return {
            "tokenizer": tokenizer.fingerprint,
            "sentences": self.sentences,
            "segmenter": self.segmenter and self.segmenter.identity,
            "options": asdict(self.options),
            "sources": [[_shown(source.name), *_state(source)] for source in sources],
        }

    def _refuse_other(self, found: Any, made_of: dict[str, Any], folder: Path) -> None:
        for name, value in made_of.items():
            if not isinstance(found, dict) or found.get(name) != value:
                raise ConfigError(
                    f"{folder} was made with other {name}. Give what it was made with, or remove "
                    f"{self.folder} and do the tasks anew."
                )

    def _shares(self, sources: Sequence[Source]) -> list[list[Source]]:
        """Return the files of each task: runs of about as many bytes, in order."""
        sizes = np.array([max(_size(source), 1) for source in sources], dtype=np.float64)
        middles = np.cumsum(sizes) - sizes / 2
        owners = np.minimum((middles / sizes.sum() * self.count).astype(int), self.count - 1)
        return [
            [source for source, owner in zip(sources, owners, strict=True) if owner == number]
            for number in range(self.count)
        ]


def _size(source: Source) -> int:
    return _state(source)[0]


def _state(source: Source) -> tuple[int, int]:
    """Return size and time of the last change: what tells that a file is another by now."""
    if source.name.startswith(HUB):
        return 0, 0
    state = Path(source.name).stat()
    return state.st_size, state.st_mtime_ns


def _shown(name: str) -> str:
    """Return a name as JSON can hold it, whatever its bytes are."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


class _PartWriter:
    """Chunks of encoded documents, end to end in four arrays and a table of their sizes."""

    def __init__(self, folder: Path, dtype: np.dtype[Any]) -> None:
        numbers = np.dtype(np.int64)
        self._files = {
            name: ArrayFile(folder / f"{name}.npy", kind)
            for name, kind in (
                ("tokens", dtype),
                ("word_starts", np.dtype(np.bool_)),
                *((name, numbers) for name in ("lengths", "sizes", "chunks")),
            )
        }

    def add(self, encoded: EncodedDocuments) -> None:
        for name in ("tokens", "word_starts", "lengths", "sizes"):
            self._files[name].add(getattr(encoded, name))
        row = [len(encoded.tokens), len(encoded.lengths), len(encoded.sizes)]
        row += [encoded.is_open, encoded.num_characters, encoded.num_unknown]
        self._files["chunks"].add(np.array(row, dtype=np.int64))

    def finish(self) -> None:
        for file in self._files.values():
            file.finish()

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def _read_part(folder: Path) -> Iterator[EncodedDocuments]:
    names = ("tokens", "word_starts", "lengths", "sizes")
    try:
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in names
        }
        chunks = np.load(folder / "chunks.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"not readable as a part ({error}).", path=folder) from error
    starts = np.zeros(3, dtype=np.int64)
    for row in chunks.reshape(-1, len(_COLUMNS)):
        ends = starts + row[:3]
        tokens, lengths, sizes = (slice(a, b) for a, b in zip(starts, ends, strict=True))
        yield EncodedDocuments(
            tokens=np.array(arrays["tokens"][tokens]),
            word_starts=np.array(arrays["word_starts"][tokens]),
            lengths=np.array(arrays["lengths"][lengths]),
            sizes=np.array(arrays["sizes"][sizes]),
            is_open=bool(row[3]),
            num_characters=int(row[4]),
            num_unknown=int(row[5]),
        )
        starts = ends
