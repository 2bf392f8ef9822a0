"""The documentation inside Python's standard library: real text that every machine has.

Read from the source files with :mod:`ast` and never imported, so nothing of the library runs.
"""

from __future__ import annotations

import ast
import re
import sysconfig
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gloze.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Not documentation of the library: what was installed into it, its tests, its binaries.
_SKIPPED = frozenset(
    ("__pycache__", "dist-packages", "idle_test", "lib-dynload", "pydoc_data", "site-packages")
    + ("test", "tests")
)
_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

_ROLE = re.compile(r":[a-z]+(?::[a-z]+)?:`~?([^`<]+?)(?: *<[^`>]*>)?`")
_QUOTED = re.compile(r"``?([^`\n]+?)``?(?!`)|`([^'`\n]+)'")
_FIELD = re.compile(r"^[@:](?:param|type|raises?|returns?|rtype|keyword) *([^:]*):", re.MULTILINE)
_DIRECTIVE = re.compile(r"^\.\. .*$", re.MULTILINE)
_RULE = re.compile(r"^[-=*~^_#+|.\s]{3,}$")
_BULLET = re.compile(r"^(?:[-*+]|\(?\d{1,2}[.)]) +")
_MIN_LETTERS = 0.65


@dataclass(frozen=True)
class ModuleDocs:
    """The docstrings of one source file in their order.

    Attributes:
        name: of the module, like ``asyncio.events``.
        docstrings: each as cleaned paragraphs, none empty.
    """

    name: str
    docstrings: tuple[tuple[str, ...], ...]

    @property
    def top(self) -> str:
        """The name under which the library reference lists it: ``asyncio``."""
        return self.name.partition(".")[0]


def library_folder() -> Path:
    """Return the folder with the source of the running Python's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def read_modules(library: Path) -> list[ModuleDocs]:
    """Return every module of the library that has a docstring, sorted by name.

    Raises:
        DataError: if there is no documented source there.
    """
    found = []
    for path in sorted(library.rglob("*.py")):
        parts = path.relative_to(library).with_suffix("").parts
        if _SKIPPED.isdisjoint(parts) and not parts[0].startswith("config-"):
            name = ".".join(parts).removesuffix(".__init__")
            docstrings = tuple(filter(None, map(clean, _docstrings(path))))
            if docstrings:
                found.append(ModuleDocs(name, docstrings))
    if not found:
        raise DataError(
            "no documented source of a standard library.",
            path=library,
            hint="This Python was installed without it; another one has it.",
        )
    return sorted(found, key=lambda module: module.name)


def _docstrings(path: Path) -> Iterator[str]:
    """Yield the docstrings of a source file from top to bottom."""
    tree = _parse(path)
    nodes = [node for node in ast.walk(tree) if isinstance(node, _Documented)] if tree else []
    for node in sorted(nodes, key=lambda node: getattr(node, "lineno", 0)):
        text = ast.get_docstring(node)
        if text:
            yield text


def _parse(path: Path) -> ast.Module | None:
    """Return the tree of a source file, or None if this Python cannot read it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def read_topics(library: Path) -> dict[str, list[str]]:
    """Return the paragraphs of each help topic on the language (``help("assert")``).

    Empty if this Python was installed without them.
    """
    path = library / "pydoc_data" / "topics.py"
    tree = _parse(path)
    for node in tree.body if tree else []:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            topics: dict[str, str] = ast.literal_eval(node.value)
            cleaned = {name: list(clean(text)) for name, text in sorted(topics.items())}
            return {name: paragraphs for name, paragraphs in cleaned.items() if paragraphs}
    return {}


def clean(text: str) -> tuple[str, ...]:
    """Return the prose of a docstring as paragraphs of one line each.

    Markup is unwrapped; doctests, rules, grammars and tables, which are not prose, are dropped.
    """
    text = _DIRECTIVE.sub("", text.expandtabs().replace("\x00", ""))
    text = _FIELD.sub(r"\1:", _ROLE.sub(r"\1", text))
    text = _QUOTED.sub(lambda found: found[1] or found[2], text)
    lines = _without_code(line.strip() for line in text.split("\n"))
    blocks = "\n".join(lines).split("\n\n")
    paragraphs = (" ".join(block.split()) for block in blocks)
    return tuple(p.replace("**", "") for p in paragraphs if _is_prose(p))


def _without_code(lines: Iterable[str]) -> Iterator[str]:
    """Drop doctests with what they print, and rules; set list items apart."""
    in_doctest = False
    for line in lines:
        in_doctest = line.startswith(">>>") or (in_doctest and bool(line))
        if in_doctest or (line and _RULE.match(line)):
            yield ""
        elif _BULLET.match(line):
            yield "\n" + _BULLET.sub("", line)
        else:
            yield line


def _is_prose(paragraph: str) -> bool:
    """Tell sentences from code: mostly letters and blanks, and more than a word."""
    letters = sum(c.isalpha() or c == " " for c in paragraph)
    return " " in paragraph and "::=" not in paragraph and letters > _MIN_LETTERS * len(paragraph)
