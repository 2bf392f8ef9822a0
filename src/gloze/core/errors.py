"""What a person can do wrong or bad luck can bring, each with its exit code.

Anything that is not a :class:`GlozeError` is our own bug and ends with exit code 1.
"""

from __future__ import annotations

import contextlib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class GlozeError(Exception):
    """One clear message for a person: what was wrong, where, and what to do."""

    exit_code = 1


class ConfigError(GlozeError):
    """A command or a recipe that cannot be carried out as written."""

    exit_code = 2


class MissingExtraError(ConfigError):
    """A package of an optional extra is needed and not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}. Install it: pip install 'gloze[{extra}]'")


class DataError(GlozeError):
    """Input that cannot be used: names the file, and the line and column where known."""

    exit_code = 3

    def __init__(
        self,
        reason: str,
        *,
        path: str | Path | None = None,
        line: int | None = None,
        column: int | str | None = None,
        hint: str = "",
    ) -> None:
        self.reason, self.path, self.line, self.column, self.hint = reason, path, line, column, hint
        place = "" if path is None else str(path)
        if line is not None:
            place += f":{line}"
        if column is not None:
            place += f" column {column!r}" if isinstance(column, str) else f":{column}"
        message = f"{place}: {reason}" if place else reason
        super().__init__(f"{message} {hint}".rstrip())


class WriteError(GlozeError):
    """The disk is full, or the place cannot be written to."""

    exit_code = 4


class DivergedError(GlozeError):
    """Training ran into NaN or a lasting loss spike, more often than it may go back."""

    exit_code = 5


class StoppedError(GlozeError):
    """Stopped early by a signal, with everything saved: 75 for SIGTERM, 130 for Ctrl-C."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@contextlib.contextmanager
def about(what: str) -> Iterator[None]:
    """Let the errors of a block begin with what they are about."""
    try:
        yield
    except GlozeError as error:
        error.args = (f"{what}: {error}",)
        raise


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``Did you mean 'x'? `` with a trailing space, or nothing if no name is close."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}? " if close else ""
