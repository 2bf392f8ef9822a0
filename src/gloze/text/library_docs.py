"""Real text that every machine has: the documentation inside Python's standard library.

Read from the source files with ``ast``; nothing is imported or run. The text is English prose
about programming, some 2 MB, and depends on the version of Python alone.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sysconfig
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gloze.core.errors import DataError
from gloze.core.files import write_text
from gloze.text.library_areas import area_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MIN_WORDS = 6
DEV_RATE, TEST_RATE = 0.1, 0.15
NUM_TRAIN = 1000
SPLITS = ("train", "dev", "test")
_SKIPPED = {
    "test", "tests", "idlelib", "idle_test", "lib2to3", "turtledemo", "ensurepip", "pydoc_data",
    "site-packages", "dist-packages", "lib-dynload", "__pycache__", "__phello__", "__hello__",
}  # fmt: skip
# Written for one machine or one distribution.
_LOCAL = re.compile(r"_sysconfigdata|sitecustomize|usercustomize|config-|plat-")
_ROLE = re.compile(r":[a-z:]+:`~?([^`]*)`")
_EMPHASIS = re.compile(r"(?<!\w)\*{1,2}(\w(?:[^*]*\w)?)\*{1,2}(?!\w)")
_RULE = re.compile(r"[\W_]*")
_DOCTEST = re.compile(r"\s*(>>>|\.\.\. )")
_GRAMMAR = re.compile(r"\s*\S+ *::= ")


@dataclass(frozen=True)
class LibraryDocument:
    """The documentation of one module or one language topic, as paragraphs in their order."""

    name: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class LabeledDocstring:
    """One docstring and the area of the library its module belongs to."""

    text: str
    label: str
    module: str


@dataclass(frozen=True)
class LibraryDocs:
    """Text to pre-train on, and docstrings to classify.

    No module gives docstrings to two splits, and the modules of ``dev`` and ``test`` are not in
    ``documents``: pre-training never sees the text that is classified at the end. Modules of one
    package may be in different splits. ``train`` is a thousand docstrings of the other modules:
    much text and few labels, as people who pre-train have it.

    Attributes:
        documents: one for each module outside dev and test, and one for each language topic.
        splits: ``train``, ``dev`` and ``test``.
    """

    documents: tuple[LibraryDocument, ...]
    splits: dict[str, tuple[LabeledDocstring, ...]]

    @property
    def num_characters(self) -> int:
        """Characters of the documents."""
        return sum(len(text) for document in self.documents for text in document.paragraphs)

    def write(self, folder: Path) -> None:
        """Write ``corpus.txt`` and ``train.tsv``, ``dev.tsv``, ``test.tsv`` into ``folder``.

        The corpus has a paragraph a line and a blank line after each document; the tables have
        the columns ``text``, ``label`` and ``module``.
        """
        documents = ("\n".join(document.paragraphs) + "\n" for document in self.documents)
        write_text(folder / "corpus.txt", "\n".join(documents))
        for split, rows in self.splits.items():
            lines = (f"{row.text}\t{row.label}\t{row.module}\n" for row in rows)
            write_text(folder / f"{split}.tsv", "text\tlabel\tmodule\n" + "".join(lines))


def read_library_docs(folder: Path | None = None) -> LibraryDocs:
    """Read the documentation of the standard library.

    Args:
        folder: where the library's sources lie; by default those of this Python.

    Raises:
        DataError: if there are no sources (some distributions ship compiled files only).
    """
    folder = Path(sysconfig.get_path("stdlib")) if folder is None else folder
    modules = {name: texts for name, texts in _modules(folder) if texts}
    if not modules:
        raise DataError(
            "no Python sources with docstrings found.",
            path=folder,
            hint="The quickstart reads the standard library's own documentation: use a Python "
            "that has its sources.",
        )
    splits = _split(_labeled(modules))
    held_out = {row.module for split in ("dev", "test") for row in splits[split]}
    held_texts = {row.text for split in ("dev", "test") for row in splits[split]}
    documents = [
        LibraryDocument(name, tuple(line for text in kept for line in text))
        for name, texts in modules.items()
        if name not in held_out
        and (kept := [text for text in texts if " ".join(text) not in held_texts])
    ]
    return LibraryDocs((*documents, *_topics(folder / "pydoc_data" / "topics.py")), splits)


def _modules(folder: Path) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield each module's dotted name and its docstrings, each as paragraphs."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if _SKIPPED.isdisjoint(parts) and not any(map(_LOCAL.match, parts)):
            name = ".".join(parts).removesuffix(".__init__")
            yield name, list(filter(None, map(clean_docstring, _docstrings(path))))


def _docstrings(path: Path) -> Iterator[str]:
    """Yield the docstrings of a source file from top to bottom."""
    tree = _parse(path)
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, kinds)] if tree else []
    for node in sorted(nodes, key=lambda node: getattr(node, "lineno", 0)):
        docstring = ast.get_docstring(node)
        if docstring:
            yield docstring


def _parse(path: Path) -> ast.Module | None:
    """Return the syntax tree, or None for a file that is not meant to be valid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            return None


def _topics(path: Path) -> Iterator[LibraryDocument]:
    """Yield the language topics that ``help()`` shows, if this Python ships them."""
    tree = _parse(path) if path.exists() else None
    for node in tree.body if tree else []:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            for topic, text in sorted(ast.literal_eval(node.value).items()):
                paragraphs = clean_docstring(text)
                if paragraphs:
                    yield LibraryDocument(f"topic {topic}", tuple(paragraphs))


def clean_docstring(text: str) -> list[str]:
    """Return the prose of a docstring as paragraphs of one line each.

    Interactive sessions, grammar, rules, tables and reStructuredText marks are left out.
    """
    paragraphs = []
    for block in re.split(r"\n\s*\n", text):
        lines = [line for line in _prose(block.splitlines()) if not _RULE.fullmatch(line)]
        joined = " ".join(" ".join(lines).split())
        joined = _EMPHASIS.sub(r"\1", _ROLE.sub(r"\1", joined))
        joined = joined.replace("``", "").replace("::", ":").removeprefix("* ")
        if any(character.isalpha() for character in joined):
            paragraphs.append(joined)
    return paragraphs


def _prose(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if _DOCTEST.match(line):
            # What the session printed follows, up to the end of the paragraph.
            return
        if not _GRAMMAR.match(line) and not line.lstrip().startswith(("|", "+-")):
            yield line


def _labeled(modules: dict[str, list[list[str]]]) -> list[LabeledDocstring]:
    """Return each long enough text of the areas once; a text found in two areas not at all."""
    first: dict[str, LabeledDocstring] = {}
    areas: dict[str, set[str]] = defaultdict(set)
    for module, texts in modules.items():
        area = area_of(module)
        for text in (" ".join(paragraphs) for paragraphs in texts):
            if area is not None and len(text.split()) >= MIN_WORDS:
                areas[text].add(area)
                first.setdefault(text, LabeledDocstring(text, area, module))
    return [row for text, row in first.items() if len(areas[text]) == 1]


def _split(rows: Iterable[LabeledDocstring]) -> dict[str, tuple[LabeledDocstring, ...]]:
    """Give whole modules to the splits, so that every area is in each in about its share."""
    by_area: dict[str, dict[str, list[LabeledDocstring]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_area[row.label][row.module].append(row)
    splits: dict[str, list[LabeledDocstring]] = {split: [] for split in SPLITS}
    for _, modules in sorted(by_area.items()):
        total = sum(map(len, modules.values()))
        room = {"test": round(TEST_RATE * total), "dev": round(DEV_RATE * total)}
        for module in sorted(modules, key=_shuffled):
            size = len(modules[module])
            split = next((split for split in room if size <= room[split]), "train")
            if split != "train":
                room[split] -= size
            splits[split] += modules[module]
    drawn = sorted(splits["train"], key=lambda row: _shuffled(row.text))[:NUM_TRAIN]
    kept = {row.text for row in drawn}
    splits["train"] = [row for row in splits["train"] if row.text in kept]
    return {split: tuple(splits[split]) for split in SPLITS}


def _shuffled(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
