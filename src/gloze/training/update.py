"""One update of the weights: gradients of a step, their norm, the optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gloze.core.devices import computing, float32_products, pick_device
from gloze.core.memory import keep_freed_memory
from gloze.core.rng import derive
from gloze.training.optim import build_optimizer, load_optimizer_tensors, optimizer_tensors

if TYPE_CHECKING:
    from torch import Tensor

    from gloze.core.batch import Step
    from gloze.training.config import TrainingConfig
    from gloze.training.learner import Learner


class Updater:
    """A learner and its optimizer on their device.

    Attributes:
        device: where it computes.
        learner: what is trained.
        trained: its weights that train.
        optimizer: over these.
    """

    def __init__(self, learner: Learner, config: TrainingConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        self.device = pick_device(config.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.learner = learner.to(self.device)
        self.trained = [p for p in learner.parameters() if p.requires_grad]
        self.optimizer = build_optimizer(learner, config)

    def gradients(self, data: Step, step: int) -> dict[str, Tensor]:
        """Put the gradients of a step in place; return the summed marks of each objective.

        Every loss is divided by the labels of the whole step.

        Args:
            data: of the step.
            step: its number, on which dropout depends and nothing else, so that resuming needs
                no generator's state.
        """
        self.learner.train()
        self.optimizer.zero_grad(set_to_none=True)
        torch.manual_seed(derive("dropout", self.seed, step) % 2**63)
        totals: dict[str, Tensor] = {}
        with float32_products(self.device):
            for batch in data.micro_batches:
                with computing(self.device, self.config.precision):
                    marks = self.learner(batch.to(self.device))
                loss = sum(
                    self.learner.weights[name] * mark.loss / max(data.num_labels[name], 1)
                    for name, mark in marks.items()
                )
                loss.backward()
                for name, mark in marks.items():
                    for key, value in (
                        (f"{name}_loss", mark.loss),
                        (f"{name}_correct", mark.correct),
                    ):
                        known = totals.get(key)
                        totals[key] = value.detach() if known is None else known + value.detach()
        return totals

    def clip(self) -> float:
        """Return the norm of all gradients, which are scaled down if it is over the limit."""
        gradients = [p.grad for p in self.trained if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if norm > self.config.max_grad_norm:
            torch.nn.utils.clip_grads_with_norm_(self.trained, self.config.max_grad_norm, norm)
        return float(norm)

    def apply(self, rate: float) -> None:
        """Change the weights by their gradients at this learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return weights and optimizer as a checkpoint keeps them."""
        return {
            "model": dict(self.learner.state_dict()),
            "optimizer": optimizer_tensors(self.learner, self.optimizer),
        }

    def load(self, tensors: dict[str, dict[str, Tensor]]) -> None:
        """Take weights and optimizer from a checkpoint."""
        self.learner.load_state_dict(tensors["model"])
        load_optimizer_tensors(self.learner, self.optimizer, tensors["optimizer"])
