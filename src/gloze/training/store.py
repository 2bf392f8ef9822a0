"""Where a training is kept, as the loop sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

Tensors = dict[str, dict[str, "Tensor"]]


class CheckpointStore(Protocol):
    """Where a training is saved: whole checkpoints, the newest good one on demand."""

    def save(
        self, step: int, tensors: Tensors, state: dict[str, Any], *, spare: int | None = None
    ) -> Path:
        """Save one checkpoint, whole or not at all; old ones go, but for that of ``spare``."""
        ...

    def at(self, step: int) -> Path:
        """Return the checkpoint of that step."""
        ...

    def latest(self) -> Path | None:
        """Return the newest checkpoint that is intact."""
        ...

    def read(self, path: Path, like: Tensors | None = None) -> tuple[Tensors, dict[str, Any]]:
        """Read a checkpoint's tensors, as parts if ``like`` is of parts, and its state."""
        ...
