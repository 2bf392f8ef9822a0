"""Numbers on their way from the device, so that nobody waits for them while it computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

    from gloze.core.batch import Step


class Figures:
    """Scalars of a device by name, sent to the host in one go and read when they are there.

    Args:
        values: tensors of one number each, all on one device, or numbers.
    """

    def __init__(self, values: Mapping[str, Tensor | float]) -> None:
        self._known = {k: float(v) for k, v in values.items() if not isinstance(v, torch.Tensor)}
        sent = {k: v.detach() for k, v in values.items() if isinstance(v, torch.Tensor)}
        self._names = list(sent)
        self._event: torch.cuda.Event | None = None
        self._numbers = torch.stack([v.double() for v in sent.values()]) if sent else None
        if self._numbers is not None and self._numbers.is_cuda:
            # Only into pinned memory does a copy run beside the host.
            there = torch.empty_like(self._numbers, device="cpu", pin_memory=True)
            self._numbers = there.copy_(self._numbers, non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record()

    def read(self) -> dict[str, float]:
        """Return the numbers; wait for the device if they are not there yet."""
        if self._event is not None:
            self._event.synchronize()
        numbers = [] if self._numbers is None else self._numbers.tolist()
        return self._known | dict(zip(self._names, numbers, strict=True))


@dataclass(frozen=True)
class Made:
    """An update whose figures nobody has looked at yet."""

    step: int
    data: Step
    found: Figures


def means(names: Iterable[str], sums: dict[str, float]) -> dict[str, float]:
    """Return each objective's loss and accuracy per label from summed marks."""
    result = {}
    for name in names:
        if labels := sums.get(f"{name}_labels"):
            result[f"{name}_loss"] = sums[f"{name}_loss"] / labels
            result[f"{name}_accuracy"] = sums[f"{name}_correct"] / labels
    return result
