"""How a corpus is read, what was wrong with it, and when that is too much."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from gloze.core.errors import ConfigError, DataError
from gloze.core.files import writing
from gloze.text.compression import MAX_DECOMPRESSED_BYTES

if TYPE_CHECKING:
    from pathlib import Path

MAX_PLACES = 20
EMPTY = "empty document"
# Worth knowing, but nothing is lost by them: not even a strict reading minds.
CUT = "long document given in parts"
UNKNOWN_SUFFIX = "unknown suffix, read as plain text"


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a corpus is read.

    Attributes:
        text_column: the field of JSONL, Parquet and hub rows that holds the text.
        strict: refuse a corpus with any fault instead of dropping and counting.
        one_document_per_file: in plain text, blank lines do not end a document.
        max_line_bytes: a longer line or row is a fault.
        max_reject_rate: share of lines and rows that may be dropped, from the 21st on.
        max_document_bytes: a longer document is given in parts, for it is held in memory.
        max_decompressed_bytes: a compressed file that grows larger is refused.
    """

    text_column: str = "text"
    strict: bool = False
    one_document_per_file: bool = False
    max_line_bytes: int = 1 << 20
    max_reject_rate: float = 0.001
    max_document_bytes: int = 16 << 20
    max_decompressed_bytes: int = MAX_DECOMPRESSED_BYTES

    def __post_init__(self) -> None:
        for name in ("max_line_bytes", "max_document_bytes", "max_decompressed_bytes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)} is too small. Least: 1.")
        if not 0 <= self.max_reject_rate <= 1:
            raise ConfigError(f"max_reject_rate {self.max_reject_rate} is not a share, 0 to 1.")


@dataclass
class ReadReport:
    """What was read and what was wrong.

    Attributes:
        documents: number given out.
        paragraphs: number given out.
        characters: number given out.
        lines: lines and rows with text, good or dropped.
        problems: how often each kind of fault occurred.
        places: the first 20 faults as ``path:line kind``.
    """

    documents: int = 0
    paragraphs: int = 0
    characters: int = 0
    lines: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    places: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"Read {self.documents:,} documents, {self.paragraphs:,} paragraphs, "
            f"{self.characters:,} characters."
        ]
        lines += [f"  {kind}: {count:,}" for kind, count in self.problems.most_common()]
        lines += [f"    {place}" for place in self.places]
        if (total := self.problems.total()) > len(self.places):
            lines.append(f"    and {total - len(self.places):,} more")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON knows it."""
        return {
            "documents": self.documents,
            "paragraphs": self.paragraphs,
            "characters": self.characters,
            "lines": self.lines,
            "problems": dict(self.problems),
            "places": list(self.places),
        }

    def add(self, values: dict[str, Any]) -> None:
        """Add the report of a later part of the corpus, from :meth:`to_dict`."""
        for name in ("documents", "paragraphs", "characters", "lines"):
            setattr(self, name, getattr(self, name) + values[name])
        self.problems.update(values["problems"])
        self.places = [*self.places, *values["places"]][:MAX_PLACES]


class Ledger:
    """The faults of one pass over a corpus, and the decision whether they are too many."""

    def __init__(self, options: ReadOptions, report: ReadReport, rejects: Path | None) -> None:
        self.options, self.report, self._rejects = options, report, rejects
        self._file: TextIO | None = None
        self._first: list[str] = []
        self._num_faults = self._num_dropped = self._num_lines = 0

    def count(self, lines: int) -> None:
        """Count lines or rows with text, good or not."""
        self._num_lines += lines
        self.report.lines += lines

    def drop(self, source: str, line: int, kind: str, reason: str) -> None:
        """Note a line or row that cannot be used.

        Raises:
            DataError: in strict mode, once the first 20 faults are known.
        """
        self._num_dropped += 1
        self._note(source, line, kind, reason)

    def empty(self, source: str, line: int) -> None:
        """Note a document without text; it does not count as a dropped line."""
        self._note(source, line, EMPTY, "a document without text")

    def remark(self, source: str, line: int, kind: str) -> None:
        """Note what a person should know, though no text is lost by it."""
        self.report.problems[kind] += 1
        if len(self.report.places) < MAX_PLACES:
            self.report.places.append(f"{source}:{line} {kind}")

    def _note(self, source: str, line: int, kind: str, reason: str) -> None:
        self._num_faults += 1
        self.remark(source, line, kind)
        if len(self._first) < MAX_PLACES:
            self._first.append(f"{source}:{line}: {reason}")
        if self._rejects is not None:
            self._write(self._rejects, source, line, kind, reason)
        if self.options.strict and self._num_faults >= MAX_PLACES:
            self._refuse_strictly()

    def _write(self, path: Path, source: str, line: int, kind: str, reason: str) -> None:
        with writing(path):
            if self._file is None:
                self._file = path.open("w", encoding="utf-8", errors="backslashreplace")
            row = {"path": source, "line": line, "kind": kind, "reason": reason}
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def to_dict(self) -> dict[str, Any]:
        """Return everything noted, for another ledger to add."""
        return {
            "report": self.report.to_dict(),
            "first": self._first,
            "faults": self._num_faults,
            "dropped": self._num_dropped,
            "lines": self._num_lines,
        }

    def add(self, noted: dict[str, Any]) -> None:
        """Add what another ledger noted of a later part of the corpus."""
        self.report.add(noted["report"])
        self._first = [*self._first, *noted["first"]][:MAX_PLACES]
        self._num_faults += noted["faults"]
        self._num_dropped += noted["dropped"]
        self._num_lines += noted["lines"]

    def close(self) -> None:
        """Close the file of rejects, if there is one."""
        if self._file is not None and self._rejects is not None:
            with writing(self._rejects):
                self._file.close()

    def finish(self) -> None:
        """Decide, at the end of the corpus.

        Raises:
            DataError: if there were faults in strict mode, or too many in the other.
        """
        if self.options.strict and self._num_faults:
            self._refuse_strictly()
        rate = self._num_dropped / max(1, self._num_lines)
        if self._num_dropped > MAX_PLACES and rate > self.options.max_reject_rate:
            raise DataError(
                f"{self._num_dropped:,} of {self._num_lines:,} lines cannot be used ({rate:.2%}, "
                f"allowed: {self.options.max_reject_rate:.2%}). The first:{self.listed()}\n",
                hint="Repair the corpus, or raise max_reject_rate.",
            )

    def _refuse_strictly(self) -> None:
        raise DataError(
            f"the corpus has faults. The first:{self.listed()}\n",
            hint="Repair them, or read without strict to drop and count them.",
        )

    def listed(self) -> str:
        """Return the first faults, each on a line of its own."""
        return "".join(f"\n  {fault}" for fault in self._first)
