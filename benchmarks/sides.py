"""Two or more programs measured against each other in one run: interleaved, each in a process.

A side is a function that gets its options, prepares everything, and returns a step: a function
without arguments that does a piece of work and returns how much it was. Each side has a process
of its own, so that settings, allocators and peak memory are its own as well; only one works at
a time.
"""

from __future__ import annotations

import json
import platform
import resource
import statistics
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    Step = Callable[[], float]


@dataclass
class Measured:
    """What came of one side.

    Attributes:
        rates: work a second, one of each round.
        peak: most memory of the process, MB.
    """

    rates: list[float] = field(default_factory=list)
    peak: float = 0.0

    @property
    def median(self) -> float:
        """The middle of the rates."""
        return statistics.median(self.rates)

    @property
    def spread(self) -> float:
        """Half the distance from the slowest to the fastest round, as a share of the median."""
        return (max(self.rates) - min(self.rates)) / 2 / self.median


def measure(
    sides: dict[str, tuple[Callable[..., Step], dict[str, Any]]],
    *,
    rounds: int = 5,
    seconds: float = 4.0,
    warmup: int = 2,
) -> dict[str, Measured]:
    """Return the rates of every side, measured in turns.

    Args:
        sides: by name the function that prepares a side, and its options.
        rounds: turns of each side.
        seconds: of each turn, at least; a turn is whole steps.
        warmup: steps of each side that are not counted.
    """
    context = get_context("spawn")
    pipes: dict[str, Connection] = {}
    processes = []
    for name, (make, options) in sides.items():
        pipes[name], other = context.Pipe()
        # No daemon: a side may start workers of its own. It ends when its pipe does.
        process = context.Process(target=_serve, args=(other, make, options))
        process.start()
        other.close()
        processes.append(process)
        pipes[name].recv()  # One prepares at a time.
    found = {name: Measured() for name in sides}
    try:
        for name, pipe in pipes.items():
            _ask(pipe, (warmup, 0.0))
            print(f"{name}: ready", file=sys.stderr, flush=True)
        for number in range(rounds):
            for name, pipe in pipes.items():
                work, took = _ask(pipe, (1, seconds))
                found[name].rates.append(work / took)
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for name, pipe in pipes.items():
            found[name].peak = _ask(pipe, None)
    finally:
        # A side that fails ends the others: each ends when its pipe does.
        for pipe in pipes.values():
            pipe.close()
        for process in processes:
            process.join()
    return found


def _ask(pipe: Connection, what: Any) -> Any:
    pipe.send(what)
    return pipe.recv()


def _serve(pipe: Connection, make: Callable[..., Step], options: dict[str, Any]) -> None:
    step = make(**options)
    pipe.send("ready")
    while (asked := _next(pipe)) is not None:
        count, seconds = asked
        work, begun = 0.0, time.perf_counter()
        while count > 0 or time.perf_counter() - begun < seconds:
            work += step()
            count -= 1
        pipe.send((work, time.perf_counter() - begun))
    with suppress(BrokenPipeError):
        pipe.send(peak_memory())


def _next(pipe: Connection) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        return None


def peak_memory() -> float:
    """Return the most memory this process ever had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # What the system's own call tells begins with what the parent had.
        [line] = [x for x in status.read_text().splitlines() if x.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if platform.system() == "Darwin" else 1 << 10)


def product_rate(
    dtype_name: str, *, size: int = 2048, seconds: float = 1.0, device: str = "cpu"
) -> float:
    """Return the floating-point operations a second of a large matrix product, here and now."""
    import torch

    dtype = getattr(torch, dtype_name)
    left, right = (torch.randn(size, size).to(device, dtype) for _ in range(2))
    wait = torch.cuda.synchronize if device == "cuda" else int
    best, begun = float("inf"), time.perf_counter()
    while time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        left @ right
        wait()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def report(title: str, unit: str, found: dict[str, Measured], notes: dict[str, Any]) -> None:
    """Print a table of the sides, each against the first, and the same as a line of JSON."""
    ours = next(iter(found))
    print(f"\n{title}\n")
    print(f"| side | {unit} a second | spread | ratio | peak memory, MB | ratio |")
    print("|---|---|---|---|---|---|")
    for name, side in found.items():
        speed, memory = found[ours].median / side.median, found[ours].peak / side.peak
        print(
            f"| {name} | {side.median:,.1f} | {side.spread:.1%} | {speed:.2f} "
            f"| {side.peak:,.0f} | {memory:.2f} |"
        )
    for name, value in notes.items():
        print(f"{name}: {value}")
    sides = {
        name: {"rates": side.rates, "median": side.median, "peak_mb": side.peak}
        for name, side in found.items()
    }
    print(json.dumps({"title": title, "unit": unit, "sides": sides, "notes": notes}), flush=True)
