"""What a recurrent encoder goes on from where sequences follow one another."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gloze.core.batch import Ints


class Carried:
    """The last states of each lane of text, kept from one batch to the next.

    Attributes:
        states: of each lane, [lanes, size]; zeros where none has been read.
        epoch: that they are of; each begins with zeros.
    """

    def __init__(self, size: int) -> None:
        # Whatever device weights are made on: what is read comes to that of the batch.
        self.states = torch.zeros(0, size, device="cpu")
        self.epoch = 0

    def begin(self, epoch: int) -> None:
        """Forget what is of another epoch."""
        if epoch != self.epoch:
            self.states, self.epoch = self.states[:0], epoch

    def read(self, lanes: Ints, like: Tensor) -> Float[Tensor, "sequences size"]:
        """Return what the sequences of these lanes go on from, on the device of ``like``."""
        self.states = self.states.to(like.device)
        missing = int(lanes.max(initial=-1)) + 1 - len(self.states)
        if missing > 0:
            more = self.states.new_zeros(missing, self.states.shape[1])
            self.states = torch.cat([self.states, more])
        return self.states[torch.from_numpy(lanes).to(like.device)]

    def write(self, lanes: Ints, states: Float[Tensor, "sequences size"]) -> None:
        """Keep what was read last; no gradient goes back past it."""
        where = torch.from_numpy(lanes).to(states.device)
        self.states = self.states.index_copy(0, where, states.detach().to(self.states.dtype))

    def tensors(self) -> dict[str, Tensor]:
        """Return everything, as a checkpoint keeps it."""
        return {"states": self.states, "epoch": torch.tensor(self.epoch)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take what a checkpoint kept; without it begin anew."""
        self.states = tensors.get("states", self.states[:0])
        self.epoch = int(tensors.get("epoch", 0))


def carried_by(encoder: nn.Module) -> Carried | None:
    """Return what an encoder carries; None if it keeps no state."""
    found: Carried | None = getattr(encoder, "carried", None)
    return found


@contextmanager
def carrying_nothing(encoder: nn.Module) -> Iterator[None]:
    """Let an encoder begin with zeros, and go on afterwards from what it carried before."""
    before: Any = carried_by(encoder)
    if before is None:
        yield
        return
    own: Any = encoder
    own.carried = Carried(before.states.shape[1])
    try:
        yield
    finally:
        own.carried = before
