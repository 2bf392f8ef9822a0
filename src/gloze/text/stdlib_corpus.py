"""A small corpus and labelled examples, made of the documentation of the standard library.

The examples ask which area of the library a docstring is from. They are split by module, and the
modules of the dev and test examples give no text to the corpus: what is judged is a model that
never saw the text it is judged on, nor any other text of the same module.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gloze.core.files import new_folder
from gloze.text.areas import SPLITS, place_of
from gloze.text.stdlib_docs import library_folder, read_modules, read_topics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gloze.text.areas import Split
    from gloze.text.stdlib_docs import ModuleDocs

MIN_WORDS = 6
CORPUS = "corpus.txt"


@dataclass(frozen=True)
class LabelledDocstring:
    """A docstring, the area of the library it is from, and the module."""

    text: str
    label: str
    module: str


@dataclass(frozen=True)
class StdlibCorpus:
    """What was written, and where it lies.

    Attributes:
        path: the folder.
        documents: of the corpus: one for a module, one for a help topic.
        characters: of the corpus.
        modules, topics: how many gave text to the corpus.
        held_out_modules: files whose text is kept out of the corpus, for dev and test.
        examples: of each split, how many of each area.
    """

    path: Path
    documents: int
    characters: int
    modules: int
    topics: int
    held_out_modules: int
    examples: dict[str, dict[str, int]]

    @property
    def corpus(self) -> Path:
        """The text to pre-train on: a paragraph a line, a blank line between documents."""
        return self.path / CORPUS

    def labelled(self, split: Split) -> Path:
        """Return the file of labelled examples of a split."""
        return self.path / f"{split}.jsonl"

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON knows them."""
        return {**asdict(self), "path": str(self.path)}


def write_corpus(folder: Path, *, library: Path | None = None, force: bool = False) -> StdlibCorpus:
    """Write the corpus and the labelled examples into a new folder.

    The same Python gives the same bytes.

    Args:
        folder: ``corpus.txt``, ``train.jsonl``, ``dev.jsonl`` and ``test.jsonl`` come into it.
        library: the folder of the standard library; by default that of this Python.
        force: replace ``folder`` if it exists.

    Raises:
        DataError: if this Python has no source of its library.
        ConfigError: if ``folder`` exists and ``force`` is not set.
        WriteError: if it cannot be written.
    """
    library = library or library_folder()
    modules, topics = read_modules(library), read_topics(library)
    examples = label_docstrings(modules)
    held_out = [module for module in modules if _split(module) in ("dev", "test")]
    documents = [*pretraining_documents(modules, examples), *topics.values()]
    text = "\n\n".join("\n".join(paragraphs) for paragraphs in documents) + "\n"
    with new_folder(folder, force=force) as temporary:
        (temporary / CORPUS).write_text(text, encoding="utf-8")
        for split, rows in examples.items():
            lines = (json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
            (temporary / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    return StdlibCorpus(
        path=folder,
        documents=len(documents),
        characters=len(text),
        modules=len(documents) - len(topics),
        topics=len(topics),
        held_out_modules=len(held_out),
        examples={split: _by_label(rows) for split, rows in examples.items()},
    )


def label_docstrings(modules: Sequence[ModuleDocs]) -> dict[Split, list[LabelledDocstring]]:
    """Return the labelled examples of each split.

    Docstrings under six words are left out, and so is each that occurred before, in any split:
    what stands in the training modules too is never asked about.
    """
    seen: set[str] = set()
    examples: dict[Split, list[LabelledDocstring]] = {}
    for split in SPLITS:
        examples[split] = []
        for module in modules:
            place = place_of(module.top)
            if place is None or place[1] != split:
                continue
            for paragraphs in module.docstrings:
                text = " ".join(paragraphs)
                if len(text.split()) >= MIN_WORDS and _key(text) not in seen:
                    seen.add(_key(text))
                    examples[split].append(LabelledDocstring(text, place[0], module.name))
    return examples


def pretraining_documents(
    modules: Sequence[ModuleDocs], examples: dict[Split, list[LabelledDocstring]]
) -> list[list[str]]:
    """Return one document for each module that is in neither dev nor test.

    A docstring that also is a dev or test example (some modules copy others) is left out.
    """
    asked = {_key(row.text) for split in ("dev", "test") for row in examples[split]}
    documents = []
    for module in modules:
        if _split(module) not in ("dev", "test"):
            kept = [d for d in module.docstrings if _key(" ".join(d)) not in asked]
            documents.append([paragraph for docstring in kept for paragraph in docstring])
    return [document for document in documents if document]


def _split(module: ModuleDocs) -> Split | None:
    place = place_of(module.top)
    return place[1] if place else None


def _key(text: str) -> str:
    """Return what makes two texts the same: their words, whatever the case."""
    return " ".join(text.lower().split())


def _by_label(rows: Sequence[LabelledDocstring]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.label] = counts.get(row.label, 0) + 1
    return dict(sorted(counts.items()))
