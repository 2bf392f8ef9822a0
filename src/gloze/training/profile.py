"""Where the time of a step goes: data, embedding, attention, dense layers, heads, optimizer.

Each boundary between two parts is heard twice: going forward when a module is called, and going
backward when the gradient arrives there.
"""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from gloze.core.batch import Step
    from gloze.core.contracts import Mark
    from gloze.training.learner import Learner
    from gloze.training.update import Updater

PARTS = ("data", "embedding", "attention", "dense", "head", "optimizer", "other")


class Stopwatch:
    """Seconds by part; there is always one part at work.

    On CUDA it waits for the device at each change, so that a part's time is its own.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = defaultdict(float)
        self._part, self._since = "other", time.perf_counter()

    def switch(self, part: str) -> None:
        """Count what follows as this part's."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        self.seconds[self._part] += now - self._since
        self._part, self._since = part, now

    def on_gradient(self, x: Tensor, part: str) -> None:
        """Switch to ``part`` when the gradient of ``x`` is there."""
        if x.requires_grad:
            x.register_hook(lambda _: self.switch(part))


def profile_steps(
    updater: Updater, source: Iterator[Step], *, steps: int, warmup: int
) -> tuple[dict[str, float], int]:
    """Make some updates and time their parts.

    Returns:
        The seconds of each of :data:`PARTS`, and the tokens, of the ``steps`` after ``warmup``.
    """
    watch, tokens = Stopwatch(updater.device), 0
    with _listening(updater.learner, watch):
        for number in range(warmup + steps):
            if number == warmup:
                watch.seconds.clear()
                tokens = 0
            watch.switch("data")
            data = next(source)
            watch.switch("other")
            updater.gradients(data, number)
            watch.switch("optimizer")
            updater.clip()
            updater.apply(updater.config.learning_rate)
            watch.switch("other")
            tokens += data.num_tokens
    return {part: watch.seconds[part] for part in PARTS}, tokens


@contextmanager
def _listening(learner: Learner, watch: Stopwatch) -> Iterator[None]:
    encoder = cast("Any", learner.encoder)
    handles = [
        encoder.embeddings.register_forward_pre_hook(lambda *_: watch.switch("embedding")),
        encoder.embeddings.register_forward_hook(_after(watch, "dense", "embedding")),
        learner.register_forward_hook(lambda *_: watch.switch("other")),
    ]
    for head in learner.heads.values():
        handles.append(head.register_forward_pre_hook(lambda *_: watch.switch("head")))
        handles.append(head.register_forward_hook(_after_head(watch)))
    for layer in getattr(encoder, "layers", ()):
        handles.append(layer.register_forward_hook(_after(watch, "dense", "dense")))
        mixing = layer.attention.mixing
        handles.append(mixing.register_forward_pre_hook(_before_mixing(watch)))
        handles.append(mixing.register_forward_hook(_after(watch, "dense", "attention")))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _after(watch: Stopwatch, forward: str, backward: str) -> Any:
    """Return a hook: ``forward`` is at work after the module, ``backward`` in its gradient."""

    def hook(_: nn.Module, __: Any, output: Tensor) -> None:
        watch.on_gradient(output, backward)
        watch.switch(forward)

    return hook


def _before_mixing(watch: Stopwatch) -> Any:
    def hook(_: nn.Module, given: tuple[Tensor, Any]) -> None:
        watch.on_gradient(given[0], "dense")
        watch.switch("attention")

    return hook


def _after_head(watch: Stopwatch) -> Any:
    def hook(_: nn.Module, __: Any, mark: Mark) -> None:
        watch.on_gradient(mark.loss, "head")

    return hook
