"""Where each sequence of an epoch lies in the shards: planned once, kept in a temporary file."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gloze.core.files import writing

if TYPE_CHECKING:
    from collections.abc import Iterable

PLAN = np.dtype(
    [
        ("a_start", "<i8"),
        ("b_start", "<i8"),
        ("a_length", "<i4"),
        ("b_length", "<i4"),
        ("length", "<i4"),
        ("is_random", "<i4"),
    ]
)
PlanRows = npt.NDArray[Any]


@dataclass(frozen=True)
class Plan:
    """The rows of an epoch, one a sequence, as stored in a file that the system removes."""

    rows: PlanRows

    def statistics(self, max_length: int) -> dict[str, float]:
        """Return counts and true shares over the whole epoch."""
        rows = self.rows
        whole = rows["a_length"] + rows["b_length"] + 2 + (rows["b_length"] > 0)
        return {
            "sequences": len(rows),
            "tokens": int(rows["length"].sum(dtype=np.int64)),
            "random_next_share": float(np.mean(rows["is_random"])),
            "truncated_share": float(np.mean(whole > rows["length"])),
            "full_length_share": float(np.mean(rows["length"] == max_length)),
        }


def write_plan(blocks: Iterable[PlanRows]) -> Plan:
    """Write the rows of all blocks one after the other and map them into memory.

    Raises:
        WriteError: if the system's folder for temporary files (``TMPDIR``) is full.
    """
    folder = Path(tempfile.gettempdir())
    with writing(folder), tempfile.TemporaryFile(prefix="gloze-plan-", dir=folder) as file:
        for block in blocks:
            file.write(block.tobytes())
        size = file.tell()
        file.flush()
        rows = np.memmap(file, dtype=PLAN, mode="r") if size else np.zeros(0, dtype=PLAN)
        return Plan(np.asarray(rows))


class Planned:
    """Epochs that are planned when first asked for; the plans of two are kept."""

    def __init__(self) -> None:
        self._plans: dict[int, Plan] = {}
        self._planning = threading.Lock()

    def drawn(self, epoch: int) -> int:
        """Return the epoch whose draws ``epoch`` has: another one where draws are met again."""
        return epoch

    def plan(self, epoch: int) -> Plan:
        """Return the plan of ``epoch``."""
        epoch = self.drawn(epoch)
        with self._planning:
            if epoch not in self._plans:
                self._plans = dict(list(self._plans.items())[-1:])
                self._plans[epoch] = self._make_plan(epoch)
            return self._plans[epoch]

    def lengths(self, epoch: int) -> npt.NDArray[np.integer]:
        """Return the tokens of every sequence of ``epoch``, [samples]."""
        lengths: npt.NDArray[np.integer] = self.plan(epoch).rows["length"]
        return lengths

    def _make_plan(self, epoch: int) -> Plan:
        raise NotImplementedError
