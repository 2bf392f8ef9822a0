"""The processes that train together: which one this is, and agreeing on figures.

``torchrun`` starts them and tells each its number by the environment. A single process is the
same with nobody to agree with.
"""

from __future__ import annotations

import gc
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed
from torch.distributed.rendezvous import rendezvous

from gloze.core.errors import ConfigError, StoppedError
from gloze.core.launch import launched, restarts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

# Host figures travel over gloo, so that a CUDA step need not wait for them.
_BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Ranks:
    """One of some processes that train one model.

    Attributes:
        rank: its number, from 0.
        size: how many there are.
        store: what they share by name; none where there is one process.
        calls: numbers what the first has told the others.
    """

    rank: int = 0
    size: int = 1
    store: Any = None
    calls: Iterator[int] = field(default_factory=count)

    @property
    def is_first(self) -> bool:
        """Whether this one writes the files and speaks."""
        return self.rank == 0

    def gather(self, values: Sequence[float]) -> list[list[float]]:
        """Return the values of every process, by rank; all must call with as many."""
        if self.size == 1:
            return [list(values)]
        own = torch.tensor(values, dtype=torch.float64)
        every = [torch.empty_like(own) for _ in range(self.size)]
        distributed.all_gather(every, own)
        return [each.tolist() for each in every]

    def sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the sums over all processes, the same to the bit in each."""
        if self.size == 1:
            return dict(values)
        columns = zip(*self.gather(list(values.values())), strict=True)
        return dict(zip(values, map(sum, columns), strict=True))

    def once(self, work: Callable[[], object]) -> None:
        """Let the first process do some work while the others wait, however long it takes."""
        if self.is_first:
            work()
        self.tell("done")

    def tell(self, text: str) -> str:
        """Return what the first process says, as soon as it does; all must call in turn.

        No collective: these give up after a time, and what the first is at may take hours.
        """
        if self.size == 1:
            return text
        name = f"told-{next(self.calls)}"
        if self.is_first:
            self.store.set(name, text)
            return text
        while not self.store.check([name]):
            time.sleep(_POLL_SECONDS)
        return str(self.store.get(name).decode())

    def meet(self) -> None:
        """Wait until all processes are here, however long it takes."""
        if self.size == 1:
            return
        name = f"met-{next(self.calls)}"
        self.store.add(name, 1)
        while self.store.add(name, 0) < self.size:
            time.sleep(_POLL_SECONDS)


_joined: list[Ranks] = []
_joins = count()


def ranks() -> Ranks:
    """Return this process's place among those it has joined; alone if it has joined none."""
    return _joined[-1] if _joined else Ranks()


@contextmanager
def joined(device: str, timeout_seconds: float) -> Iterator[Ranks]:
    """Join the processes that were started together, if they were, and leave them at the end.

    Args:
        device: what they train on, ``auto``, ``cpu`` or ``cuda``.
        timeout_seconds: after which a process that does not answer counts as gone.

    Raises:
        ConfigError: if there are more processes on this machine than devices.
        StoppedError: if another process is gone; the last checkpoint is there to go on from.
    """
    if launched()[1] == 1 or _joined:
        yield ranks()
        return
    try:
        _joined.append(_join(device, timedelta(seconds=timeout_seconds)))
        yield ranks()
        # Nobody leaves while another may still ask for something, nor waits for the last files in
        # a barrier, which would give up.
        ranks().tell("done")
        distributed.barrier()
    except RuntimeError as error:
        if not (isinstance(error, distributed.DistError) or "gloo" in str(error)):
            raise
        reason = str(error).strip().splitlines()[0]
        raise StoppedError(
            f"Another process is gone or does not answer ({reason}). Go on from the last "
            "checkpoint with --resume; torchrun --max-restarts N does so by itself.",
            exit_code=75,
        ) from error
    finally:
        _joined.clear()
        # What still hangs on the group would end the process with an abort.
        gc.collect()
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _join(device: str, timeout: timedelta) -> Ranks:
    kind = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    if kind == "cuda":
        # Before anything else: what is asked of CUDA goes to the first device until then.
        number, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if number >= there:
            raise ConfigError(f"Process {number} of this machine has no device: there are {there}.")
        torch.cuda.set_device(number)
    found, rank, size = next(rendezvous("env://", timeout=timeout))
    # The launcher keeps its store over restarts, with addresses of the dead in it.
    name = f"gloze-{restarts()}-{next(_joins)}"
    store = distributed.distributed_c10d.PrefixStore(name, found)
    distributed.init_process_group(
        _BACKENDS[kind], store=store, rank=rank, world_size=size, timeout=timeout
    )
    return Ranks(rank, size, store)
