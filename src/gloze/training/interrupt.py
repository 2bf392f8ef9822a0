"""Stopping on a signal, at a moment where everything can be saved."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 75, signal.SIGUSR1: 75}


class Interruption:
    """Notes SIGINT, SIGTERM and SIGUSR1 while it is entered; a second Ctrl-C stops at once.

    Attributes:
        exit_code: what to end with if a signal has come, else None.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        # Python lets only the main thread set handlers; elsewhere the caller keeps its own.
        if threading.current_thread() is threading.main_thread():
            for number in EXIT_CODES:
                self._old[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._old = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.exit_code == EXIT_CODES[signal.SIGINT] and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.exit_code = EXIT_CODES[signal.Signals(number)]
