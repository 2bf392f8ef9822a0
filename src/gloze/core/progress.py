"""Progress of long work: a live line on a terminal, plain lines elsewhere, always on stderr."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from gloze.core.launch import launched

if TYPE_CHECKING:
    from rich.live import Live

PLAIN_EVERY_SECONDS = 10.0


def say(text: str) -> None:
    """Print a line for the person at the terminal; standard output is kept for results.

    Of processes that train together only the first speaks.
    """
    if launched()[0] == 0:
        print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Return seconds as a short text: ``42 s``, ``7 min 05 s``, ``3 h 20 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Progress:
    """One line that is rewritten on a terminal, and printed every ten seconds elsewhere.

    Use as a context manager and call :meth:`show` as often as you like.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.started_at = time.monotonic()
        self._printed_at = self.started_at
        self._live: Live | None = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty() and launched()[0] == 0:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started_at

    def show(self, text: str) -> None:
        """Show ``text`` now on a terminal, or when it is due elsewhere."""
        now = time.monotonic()
        if self._live is not None:
            self._live.update(f"{self.what}: {text}", refresh=True)
        elif now - self._printed_at >= PLAIN_EVERY_SECONDS:
            self._printed_at = now
            say(f"{self.what}: {text}")
