"""How a corpus is read, what was found in it, and when a corpus is too faulty to use."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.core.errors import ConfigError, DataError
from gloze.core.files import writing

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

MAX_PLACES = 20
MAX_EARLY_REJECTS = 1000
LEAST_LINE_BYTES = 16

# Reported, but no line is lost by them.
EMPTY_DOCUMENT = "empty document"
EMPTY_FILE = "empty file"
CUT_DOCUMENT = "long document cut in parts"
UNKNOWN_SUFFIX = "unknown suffix, read as plain text"
_HARMLESS = frozenset({EMPTY_DOCUMENT, EMPTY_FILE, CUT_DOCUMENT, UNKNOWN_SUFFIX})
_ALLOWED_IN_STRICT = frozenset({CUT_DOCUMENT, UNKNOWN_SUFFIX})


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a corpus is read and how much of it may be faulty.

    Attributes:
        text_column: the column of JSONL, Parquet and hub data that holds the text.
        strict: refuse a corpus with any fault, instead of dropping and counting faulty lines.
        one_document_per_file: blank lines in plain text do not end a document.
        max_line_bytes: a longer line of text or JSONL, or text of a row, is a fault.
        max_document_bytes: a longer document is cut in parts between two paragraphs, because
            a document is held in memory.
        max_reject_rate: share of lines that may be faulty; up to 20 always may.
        max_file_bytes: a compressed file may not unpack to more.
        max_expansion: a compressed file may not unpack to more than this many times its size,
            counted once it has given 64 MiB.
    """

    text_column: str = "text"
    strict: bool = False
    one_document_per_file: bool = False
    max_line_bytes: int = 1 << 20
    max_document_bytes: int = 16 << 20
    max_reject_rate: float = 0.001
    max_file_bytes: int = 10_000_000_000
    max_expansion: int = 200

    def __post_init__(self) -> None:
        if self.max_line_bytes < LEAST_LINE_BYTES:
            raise ConfigError(
                f"max_line_bytes {self.max_line_bytes} leaves no room for text. "
                f"Least: {LEAST_LINE_BYTES}."
            )
        if not 0 <= self.max_reject_rate <= 1:
            raise ConfigError(f"max_reject_rate {self.max_reject_rate} is not a share from 0 to 1.")
        for name in ("max_document_bytes", "max_file_bytes", "max_expansion"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)} is too small. Least: 1.")


@dataclass(frozen=True)
class Reject:
    """A line or row that was dropped.

    Attributes:
        path: the file, as it was named.
        line: of the file, or row of the table, from 1.
        kind: of fault, as counted.
        reason: the fault in detail.
    """

    path: str
    line: int
    kind: str
    reason: str


@dataclass
class ReadReport:
    """What was read and what was found wrong.

    Attributes:
        documents: yielded.
        paragraphs: yielded.
        characters: of the paragraphs yielded.
        files: read to their end.
        lines: lines with text, or rows, met; faulty ones count.
        problems: how many faults of each kind.
        places: the first 20 faults as ``path:line kind``.
    """

    documents: int = 0
    paragraphs: int = 0
    characters: int = 0
    files: int = 0
    lines: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    places: list[str] = field(default_factory=list)

    @property
    def rejects(self) -> int:
        """Return how many lines or rows were dropped."""
        return sum(count for kind, count in self.problems.items() if kind not in _HARMLESS)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON knows it."""
        return {
            "documents": self.documents,
            "paragraphs": self.paragraphs,
            "characters": self.characters,
            "files": self.files,
            "lines": self.lines,
            "rejects": self.rejects,
            "problems": dict(sorted(self.problems.items())),
            "places": list(self.places),
        }

    def __str__(self) -> str:
        lines = [
            f"{self.documents:,} documents, {self.paragraphs:,} paragraphs, "
            f"{self.characters:,} characters in {self.files:,} files."
        ]
        if self.rejects:
            lines.append(f"{self.rejects:,} of {self.lines:,} lines were dropped.")
        lines += [f"  {kind}: {count:,}" for kind, count in sorted(self.problems.items())]
        if self.places:
            lines.append("First places:")
            lines += [f"  {place}" for place in self.places]
        return "\n".join(lines)


class Inspector:
    """Counts what the readers find, passes rejects on, and refuses a hopeless corpus.

    ``rejects`` is a function called with each :class:`Reject`, or the path of a JSONL file that
    is made at the first one.
    """

    def __init__(
        self,
        options: ReadOptions,
        report: ReadReport,
        rejects: Path | Callable[[Reject], None] | None = None,
    ) -> None:
        self.options, self.report = options, report
        self._path = rejects if isinstance(rejects, Path) else None
        self._callback = None if isinstance(rejects, Path) else rejects
        self._file: TextIO | None = None
        self._first: Reject | None = None
        # A report may be used for several passes: only this pass is judged.
        self._lines = self._rejects = self._faults = self._documents = 0
        self._kept: list[str] = []

    def count_line(self, count: int = 1) -> None:
        """Count lines with text, faulty or not."""
        self.report.lines += count
        self._lines += count

    def reject(self, path: str, line: int, kind: str, reason: str) -> None:
        """Count a dropped line, which is counted as a line too.

        Raises:
            DataError: if this is the 20th fault of a strict reading, or most lines are faulty.
        """
        self.count_line()
        self._rejects += 1
        reject = Reject(path, line, kind, reason)
        if self._callback:
            self._callback(reject)
        elif self._path:
            self._write(reject, self._path)
        self._note(reject)
        if self._rejects > MAX_EARLY_REJECTS and self._rejects * 2 > self._lines:
            self._refuse()

    def note(self, path: str, line: int, kind: str, reason: str = "") -> None:
        """Count a finding by which no line is lost.

        Raises:
            DataError: if this is the 20th fault of a strict reading.
        """
        self._note(Reject(path, line, kind, reason or kind))

    def accept(self, paragraphs: list[str]) -> None:
        """Count a document."""
        self._documents += 1
        self.report.documents += 1
        self.report.paragraphs += len(paragraphs)
        self.report.characters += sum(map(len, paragraphs))

    def finish(self, inputs: str) -> None:
        """Judge the corpus, now that it is read to the end.

        Raises:
            DataError: if there was no document, or more faults than the options allow.
        """
        over_rate = self._rejects > self.options.max_reject_rate * self._lines
        if (self._rejects > MAX_PLACES and over_rate) or (self.options.strict and self._faults):
            self._refuse()
        if not self._documents:
            found = "".join(f"\n  {place}" for place in self._kept)
            raise DataError(
                f"no document in {inputs}." + (f" Found only:{found}" if found else ""),
                hint="" if found else "Every line is blank, or there is no line.",
            )

    def close(self) -> None:
        """Close the file of rejects."""
        if self._file:
            self._file.close()

    def _note(self, found: Reject) -> None:
        self.report.problems[found.kind] += 1
        place = f"{found.path}:{found.line} {found.kind}"
        if len(self.report.places) < MAX_PLACES:
            self.report.places.append(place)
        if found.kind in _ALLOWED_IN_STRICT:
            return
        self._faults += 1
        self._first = self._first or found
        if len(self._kept) < MAX_PLACES:
            detail = "" if found.reason == found.kind else f": {found.reason}"
            self._kept.append(place + detail)
        if self.options.strict and self._faults >= MAX_PLACES:
            self._refuse()

    def _refuse(self) -> None:
        assert self._first is not None
        counted = f"{self._rejects:,} of {self._lines:,} lines"
        if self.options.strict:
            summary = f"A strict reading allows no fault, and {self._faults:,} were met:"
            hint = "\nRepair them, or read without strict to drop and count them."
        else:
            allowed = f"{self.options.max_reject_rate:.3g}"
            summary = f"{counted} are faulty, over the allowed share of {allowed}. The first:"
            hint = "\nRepair the corpus, or allow a larger max_reject_rate."
        places = "".join(f"\n  {place}" for place in self._kept)
        raise DataError(
            f"{self._first.reason.rstrip('.')}. {summary}{places}{hint}",
            path=self._first.path,
            line=self._first.line,
        )

    def _write(self, reject: Reject, path: Path) -> None:
        with writing(path):
            if self._file is None:
                self._file = path.open("w", encoding="utf-8")
            self._file.write(json.dumps(vars(reject), ensure_ascii=True) + "\n")
