"""One update of the weights: gradients of a step, their norm, the optimizer."""

from __future__ import annotations

import gc
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, cast

import torch

from gloze.core.carried import carried_by
from gloze.core.contracts import Mark
from gloze.core.devices import computing, float32_products, pick_device
from gloze.core.errors import ConfigError
from gloze.core.memory import keep_freed_memory
from gloze.core.progress import say
from gloze.core.ranks import ranks
from gloze.core.rng import derive
from gloze.training.asgd import AveragedSGD
from gloze.training.compiled import compile_if_possible, with_static_rows
from gloze.training.distributed import exchanging, is_sharded, replicate, shard, whole, whole_lanes
from gloze.training.figures import Figures
from gloze.training.optim import (
    build_optimizer,
    empty_optimizer_tensors,
    load_optimizer_tensors,
    optimizer_tensors,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from gloze.core.batch import Batch, Step
    from gloze.core.carried import Carried
    from gloze.training.config import TrainingConfig
    from gloze.training.learner import Learner


class Updater:
    """A learner and its optimizer on their device.

    Under several processes each makes the gradients of its share of a step, and all together
    one update.

    Attributes:
        device: where it computes.
        learner: what is trained.
        is_compiled: whether its layers are, which want batches of few shapes.
        trained: its weights that train.
        optimizer: over these.
    """

    def __init__(self, learner: Learner, config: TrainingConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        self.device = pick_device(config.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.ranks = ranks()
        self.learner = learner.to(self.device)
        cast("Any", learner.encoder).gradient_checkpointing = config.gradient_checkpointing
        self.is_compiled = config.compile and compile_if_possible(self.learner, self.device)
        self.module: nn.Module = self.learner
        self._is_spread = self.ranks.size == 1
        if is_sharded(config):
            shard(self.learner)
            self._is_spread = True
        self.trained = [p for p in learner.parameters() if p.requires_grad]
        self.optimizer = build_optimizer(learner, config)
        self._unfrozen: int | None = None

    @property
    def carried(self) -> Carried | None:
        """What the encoder goes on from in the next step, if it keeps a state."""
        return carried_by(self.learner.encoder)

    def consider_averaging(self, worse: int) -> None:
        """Let an optimizer that averages begin, after so many evaluations without a better one."""
        own = self.optimizer
        if not isinstance(own, AveragedSGD) or own.is_averaging:
            return
        if worse >= self.config.averaging_after:
            own.begin_averaging()
            say(f"{worse} evaluations without a better one: weights are averaged from here on.")

    def averaged(self) -> AbstractContextManager[None]:
        """Return a context in which weights are their averages, if the optimizer keeps some."""
        own = self.optimizer
        return own.averaged() if isinstance(own, AveragedSGD) else nullcontext()

    def take_averages(self) -> None:
        """Put averages in the place of the weights for good, if the optimizer keeps some."""
        if isinstance(self.optimizer, AveragedSGD):
            self.optimizer.take_averages()

    def unfreeze(self, epochs: float) -> None:
        """Let those parts of the encoder train whose turn has come; they had no gradient before.

        Args:
            epochs: passed so far, with what is done of the current one.
        """
        if self.config.unfreeze_epochs is None:
            return
        depths = self.learner.depths()
        by_weight = {weight: depths[name] for name, weight in self.learner.named_parameters()}
        deepest = max(by_weight.values())
        depth = min(deepest, int(epochs / self.config.unfreeze_epochs + 1e-9))
        if depth == self._unfrozen:
            return
        self._unfrozen = depth
        for weight in self.trained:
            weight.requires_grad_(by_weight[weight] <= depth)
        if not any(weight.requires_grad for weight in self.trained):
            raise ConfigError("training.unfreeze_epochs begins with the head, which is frozen.")
        say(f"{depth} of {deepest} parts of the encoder train, from the top.")
        if self.module is not self.learner:
            # The engine that lets gradients meet knows those that were there when it was made.
            self.module, self._is_spread = self.learner, False
            gc.collect()

    def gradients(self, data: Step, step: int) -> dict[str, Tensor | float]:
        """Put the gradients of a step in place; return the summed marks of each objective.

        Every loss is divided by the labels of the whole step.

        Args:
            data: of the step, or this process's share of it.
            step: its number, on which dropout depends and nothing else but the seed and the
                process, so that resuming needs no generator's state.
        """
        batches = data.batches()
        self.learner.train()
        if self.carried is not None:
            self.carried.begin(data.epoch)
        if not self._is_spread:
            self.module = replicate(
                self.learner, batches[0][0].to(self.device), self.config.precision
            )
            self._is_spread = True
        self.optimizer.zero_grad(set_to_none=True)
        rank = self.ranks.rank
        torch.manual_seed(derive("dropout", self.seed, step, *[rank] * (rank > 0)) % 2**63)
        own = {name: data.num_labels.get(name, 0) for name in self.learner.weights}
        num_labels = self.ranks.sum(own)
        totals: dict[str, Tensor | float] = {f"{name}_labels": n for name, n in own.items()}
        totals |= {f"{name}_{what}": 0.0 for name in own for what in ("loss", "correct")}
        with float32_products(self.device):
            for number, (batch, counts) in enumerate(batches, start=1):
                marks = self._backward(
                    (with_static_rows(batch) if self.is_compiled else batch).to(self.device),
                    {name: max(n, 1) for name, n in num_labels.items()},
                    counts=counts,
                    is_last=number == len(batches),
                )
                for name, mark in marks.items():
                    for key, value in (
                        (f"{name}_loss", mark.loss),
                        (f"{name}_correct", mark.correct),
                    ):
                        totals[key] = totals[key] + value
        return totals

    def _backward(
        self, batch: Batch, num_labels: dict[str, float], *, counts: bool, is_last: bool
    ) -> dict[str, Mark]:
        """Add the gradients of a micro-batch; one that does not count adds zeros, and no marks."""
        # What meets is averaged over the processes, and a sum is wanted.
        scale = float(self.ranks.size) if counts else 0.0
        with exchanging(self.module, now=is_last):
            with computing(self.device, self.config.precision):
                marks: dict[str, Mark] = self.module(batch)
            loss: Tensor = sum(  # type: ignore[assignment]
                self.learner.weights[name] * mark.loss / num_labels[name]
                for name, mark in marks.items()
            )
            (loss if scale == 1 else loss * scale).backward()
        if not counts:
            return {}
        # Not a thread of the graph may outlive it: what it keeps is gone with it.
        return {name: Mark(m.loss.detach(), m.correct.detach()) for name, m in marks.items()}

    def update(self, data: Step, step: int, rate: float) -> Figures:
        """Make one update, unless loss or gradient is not finite; return what it came to.

        Nothing here waits for the device.

        Args:
            data: of the step, or this process's share of it.
            step: its number, on which dropout depends.
            rate: the learning rate.

        Returns:
            Summed marks of this process and the norm of all gradients, ``grad_norm``.
        """
        marks = self.gradients(data, step)
        norm = self.clip()
        self.apply(rate, self._is_broken(norm, marks))
        return Figures({**marks, "grad_norm": norm})

    def figures(self, found: Figures) -> dict[str, float]:
        """Return what an update came to, marks of all processes together."""
        marks = dict(sorted(found.read().items()))
        norm = marks.pop("grad_norm")
        return {**self.ranks.sum(marks), "grad_norm": norm}

    def clip(self) -> Tensor:
        """Return the norm of all gradients, which are scaled down if it is over the limit."""
        gradients = [p.grad for p in self.trained if p.grad is not None]
        norm = whole(torch.nn.utils.get_total_norm(gradients))
        # To look at it the host would have to wait; a scale of 1 costs a device nothing.
        if self.device.type != "cpu" or norm > self.config.max_grad_norm:
            torch.nn.utils.clip_grads_with_norm_(self.trained, self.config.max_grad_norm, norm)
        return norm

    def _is_broken(self, norm: Tensor, marks: Mapping[str, Tensor | float]) -> Tensor:
        """Return 1 where loss or gradient of any process is not finite, else 0."""
        found = [norm, *(x for x in marks.values() if isinstance(x, torch.Tensor))]
        broken = 1 - torch.stack([x.float() for x in found]).isfinite().all().float()
        if self.ranks.size > 1:
            torch.distributed.all_reduce(broken, torch.distributed.ReduceOp.MAX)
        return broken

    def apply(self, rate: float, unless: Tensor | None = None) -> None:
        """Change the weights by their gradients at this learning rate.

        Args:
            rate: of this update.
            unless: a number on the device: 1 leaves weights and optimizer as they are.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        # By this name the fused optimizer knows what a gradient scaler found.
        self.optimizer.found_inf = unless  # type: ignore[attr-defined]
        self.optimizer.step()

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return weights and optimizer as a checkpoint keeps them.

        Weights that do not train are left out, unless each process holds its part of them: they
        follow from what the learner was made of.
        """
        model = dict(self.learner.state_dict())
        found = {
            "model": {name: x for name, x in model.items() if name not in self._fixed()},
            "optimizer": optimizer_tensors(self.learner, self.optimizer),
        }
        if self.carried is not None:
            found["carried"] = self.carried.tensors()
            found["carried"]["states"] = whole_lanes(self.carried.states)
        return found

    def _fixed(self) -> set[str]:
        """Return the names of weights that never train, and are not shared out."""
        if is_sharded(self.config):
            return set()
        trained = set(self.trained)
        return {name for name, x in self.learner.named_parameters() if x not in trained}

    def parts(self) -> dict[str, dict[str, Tensor]] | None:
        """Return the tensors a checkpoint is to be read into; None where all are whole."""
        if not is_sharded(self.config):
            return None
        return {
            "model": dict(self.learner.state_dict()),
            "optimizer": empty_optimizer_tensors(self.learner),
        }

    def load(self, tensors: dict[str, dict[str, Tensor]]) -> None:
        """Take weights and optimizer from a checkpoint."""
        fixed, model = self._fixed(), self.learner.state_dict()
        kept = {name: x for name, x in model.items() if name in fixed}
        self.learner.load_state_dict({**kept, **tensors["model"]})
        load_optimizer_tensors(self.learner, self.optimizer, tensors.get("optimizer", {}))
        if self.carried is not None:
            self.carried.load(tensors.get("carried", {}))
