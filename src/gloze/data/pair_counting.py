"""Counting which words stand together, in bounded memory, on several threads."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gloze.core.errors import StoppedError
from gloze.core.files import new_folder, read_json, write_json
from gloze.data.array_file import array_file, map_array, release
from gloze.data.pair_counts import writing_pairs
from gloze.data.window import Blocks
from gloze.kernels.pairs import Corner, Table, Window, count_pairs, gather
from gloze.kernels.sorting import add_equal, sort_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gloze.data.cooccurrence import CooccurrenceConfig
    from gloze.data.pair_counts import Layout
    from gloze.data.shards import Shards

    # Is told how many tokens of how many are done, and what is being done; returns an exit code
    # to stop with, or None.
    Told = Callable[[int, int, str], int | None]

Keys = npt.NDArray[np.uint64]
STATE, _KINDS = "state.json", ("keys", "counts")
_BLOCK_TOKENS = 1 << 20
_SIDES = {"both": 0, "before": -1, "after": 1}
# Of the corner of frequent words: pairs of ranks whose product is under it.
_PRODUCT = 1 << 20
# Bytes that a pair takes in a table, while it is sorted, and while it is merged.
_SLOT, _SORTED, _MERGED = 16, 16, 48
_FULL = 0.7
# The corner has up to as many places as its product times this.
_PLACES = 14


@dataclass(frozen=True)
class _Counter:
    """The counts of one thread."""

    corner: Corner
    table: Table

    @classmethod
    def of(cls, layout: Layout, memory: int, threads: int, size: int) -> _Counter:
        product = max(1, min(_PRODUCT, memory // (8 * 8 * _PLACES * threads)))
        widths = np.minimum(product // np.arange(1, product + 1), layout.words)[: layout.words]
        begins = np.arange(len(widths)) if layout.is_symmetric else np.zeros(len(widths), np.int64)
        widths = np.maximum(widths, begins)
        ends = np.cumsum(widths - begins)
        corner = Corner(widths, np.append(0, ends[:-1]) - begins, np.zeros(ends[-1], np.uint64))
        slots = int(memory * 0.85 / (threads * (_SLOT + _SORTED * _FULL)))
        # However little memory there is, all pairs of a position have room.
        slots = max(1 << (slots.bit_length() - 1), 1 << (4 * size).bit_length())
        table = Table(
            np.zeros(slots, np.uint64),
            np.zeros(slots, np.uint64),
            np.zeros(1, np.int64),
            int(slots * _FULL),
            layout.bits,
            layout.shift,
        )
        return cls(corner, table)

    def take_corner(self, layout: Layout) -> tuple[Keys, Keys]:
        """Return the keys, rising, and counts of the corner, which is empty afterwards."""
        widths, starts, counts = self.corner
        met = np.flatnonzero(counts)
        begins = np.arange(len(widths)) if layout.is_symmetric else 0
        rows = np.searchsorted(starts + begins, met, side="right") - 1
        keys, values = layout.keys(rows, met - starts[rows]), counts[met]
        counts[:] = 0
        found: tuple[Keys, Keys] = sort_pairs(keys, values, *np.empty((2, len(met)), np.uint64))
        return found

    @contextmanager
    def taken(self) -> Iterator[tuple[Keys, Keys]]:
        """Yield the keys, rising, and counts of the table, which is empty afterwards."""
        many = gather(self.table.keys, self.table.counts)
        room = np.empty((2, many), np.uint64)
        yield sort_pairs(self.table.keys[:many], self.table.counts[:many], *room)
        for array in (self.table.keys, self.table.counts, self.table.used):
            array[:] = 0


class PairCounting:
    """Counts the pairs of a corpus into sorted runs on disk, and merges these.

    What is counted is whole numbers, so neither the number of threads nor the size of the memory
    changes the result.
    """

    def __init__(
        self,
        shards: Shards,
        config: CooccurrenceConfig,
        ids: npt.NDArray[np.int64],
        layout: Layout,
        folder: Path,
        threads: int,
    ) -> None:
        """Go on with what lies in a folder, if anything.

        Args:
            shards: the text.
            config: of the windows.
            ids: the words by rank, [words].
            layout: of their pairs.
            folder: for the work.
            threads: that count.
        """
        self.layout, self.folder, self._ids = layout, folder, ids
        self._blocks = Blocks(shards, config.within, _BLOCK_TOKENS)
        self._ranks = np.full(shards.vocab_size, -1, np.int32)
        self._ranks[ids] = np.arange(len(ids))
        units, self._one = config.units()
        self._window = Window(units, _SIDES[config.sides])
        self._memory = config.memory_megabytes << 20
        self._counters = [
            _Counter.of(layout, self._memory, threads, config.size) for _ in range(threads)
        ]
        self._lock, self._fresh, self._grown = threading.Lock(), False, 0
        folder.mkdir(parents=True, exist_ok=True)
        state = read_json(folder / STATE) if (folder / STATE).exists() else {}
        self._done: int = state.get("blocks", 0)
        self._runs: list[str] = state.get("runs", [])
        for path in folder.glob("*.npy"):
            if path.name.split(".")[0] not in self._runs:
                path.unlink()

    def run(self, told: Told) -> None:
        """Count all that is not counted yet.

        Raises:
            StoppedError: if ``told`` says so, with everything saved.
        """
        total = self._blocks.tokens_before(len(self._blocks))
        with ThreadPoolExecutor(len(self._counters)) as pool:
            while self._done < len(self._blocks):
                wave = range(self._done, min(self._done + len(self._counters), len(self._blocks)))
                list(pool.map(self._count, self._counters, wave))
                self._done = wave.stop
                code = told(self._blocks.tokens_before(self._done), total, "counted")
                if (
                    self._fresh
                    or self._is_soon_full()
                    or code is not None
                    or self._done == len(self._blocks)
                ):
                    self._save(pool)
                if code is not None:
                    raise StoppedError(
                        "Stopped while counting, with everything saved. Go on with --resume.", code
                    )

    def _count(self, counter: _Counter, number: int) -> None:
        block = self._blocks[number]
        ranks = self._ranks[block.tokens]
        is_word = ranks >= 0
        # Other tokens are left out, and windows reach over them.
        ends = np.append(0, np.cumsum(is_word))[block.ends]
        ranks, at, before = ranks[is_word], 0, counter.table.used[0]
        while at < len(ranks):
            at = count_pairs(ranks, ends, at, self._window, counter.corner, counter.table)
            if at < len(ranks):
                self._write_table(counter)
        self._grown = max(self._grown, int(counter.table.used[0] - before))

    def _is_soon_full(self) -> bool:
        return any(c.table.used[0] + self._grown > c.table.limit for c in self._counters)

    def _write_table(self, counter: _Counter) -> None:
        with counter.taken() as pairs:
            self._write(*pairs)

    def _write(self, keys: Keys, counts: Keys) -> None:
        """Write a run, which does not count before it is saved."""
        if not len(keys):
            return
        with self._lock:
            name = f"run-{len(self._runs):05d}"
            self._runs.append(name)
            self._fresh = True
        for kind, numbers in (("keys", keys), ("counts", counts)):
            with array_file(self.folder / f"{name}.{kind}.npy", np.uint64) as file:
                file.add(numbers)

    def _save(self, pool: ThreadPoolExecutor) -> None:
        list(pool.map(self._write_table, self._counters))
        for counter in self._counters:
            self._write(*counter.take_corner(self.layout))
        write_json(self.folder / STATE, {"blocks": self._done, "runs": self._runs})
        self._fresh = False

    def merge(self, output: Path, told: Told) -> None:
        """Write the counts of all runs to a folder, whole or not at all.

        Raises:
            StoppedError: if ``told`` says so.
        """
        runs = [
            [map_array(self.folder / f"{name}.{kind}.npy") for kind in _KINDS]
            for name in self._runs
        ]
        total = sum(len(keys) for keys, _ in runs)
        with new_folder(output) as temporary:
            done, tokens = 0, self._blocks.tokens_before(len(self._blocks))
            with writing_pairs(temporary, self.layout, self._one, self._ids, tokens) as writer:
                most = max(1, self._memory // _MERGED)
                for taken, keys, counts in merged(runs, most, len(self._counters)):
                    writer.add(keys, counts)
                    done += taken
                    if (code := told(done, total, "pairs merged")) is not None:
                        raise StoppedError("Stopped while counting. Go on with --resume.", code)


def merged(
    runs: Sequence[Sequence[Any]], most: int, threads: int = 1
) -> Iterator[tuple[int, Keys, Keys]]:
    """Yield keys, rising and each once, with the sums of their counts.

    Args:
        runs: keys, rising, and counts.
        most: pairs that are held at a time.
        threads: that add up.

    Yields:
        How many pairs were taken for them, keys, and sums.
    """
    # One part waits to be taken while each thread makes another.
    most = max(1, most // (threads + 1))
    stride = max(1, most // (4 * max(1, len(runs))))
    some = [np.zeros(0, np.uint64)]
    for keys, _ in runs:
        some.append(np.array(keys[::stride]))
        release(keys)
    samples = np.sort(np.concatenate(some))
    # Between two of these bounds lie at most three quarters of ``most``.
    bounds = np.unique(samples[:: 2 * len(runs)]) if runs else samples
    places = []
    for keys, _ in runs:
        places.append(np.searchsorted(keys, bounds))
        release(keys)
    cuts = [[*at.tolist(), len(keys)] for (keys, _), at in zip(runs, places, strict=True)]

    def add_up(number: int) -> tuple[int, Keys, Keys]:
        own = [slice(*at[number : number + 2]) for at in cuts]
        taken = sum(part.stop - part.start for part in own)
        room = np.empty((4, taken), np.uint64)
        for at, arrays in enumerate(zip(*runs, strict=True)):
            np.concatenate(
                [array[part] for array, part in zip(arrays, own, strict=True)], out=room[at]
            )
        for array in chain.from_iterable(runs):
            release(array)
        keys, counts = sort_pairs(*room)
        many = add_equal(keys, counts)
        return taken, keys[:many], counts[:many]

    with ThreadPoolExecutor(threads) as pool:
        parts: deque[Future[tuple[int, Keys, Keys]]] = deque()
        for number in range(len(bounds)):
            parts.append(pool.submit(add_up, number))
            if len(parts) > threads:
                yield parts.popleft().result()
        while parts:
            yield parts.popleft().result()
