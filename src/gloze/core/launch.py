"""What a launcher of several processes, such as ``torchrun``, tells each by its environment."""

from __future__ import annotations

import os
import socket


def launched() -> tuple[int, int]:
    """Return rank and number of the processes that were started together, by the environment."""
    known = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR")]
    if not all(known) or not (known[0].isdecimal() and known[1].isdecimal()):
        return 0, 1
    return int(known[0]), int(known[1])


def restarts() -> int:
    """Return how many times ``torchrun`` has started these processes anew."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def launch() -> str:
    """Return what tells one launch by ``torchrun`` from every other; nothing without it."""
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    return "" if name is None else f"{name} {socket.gethostname()} {os.getppid()}"
