"""Figures of held-out data under the objectives of the training itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from gloze.core.carried import carrying_nothing
from gloze.core.devices import computing, float32_products
from gloze.core.ranks import ranks
from gloze.training.figures import means

if TYPE_CHECKING:
    from gloze.core.contracts import StepStream
    from gloze.core.devices import Precision
    from gloze.training.learner import Learner


@torch.no_grad()
def evaluate_objectives(
    learner: Learner, stream: StepStream, *, max_tokens: int, precision: Precision
) -> dict[str, float]:
    """Return loss, each objective's loss and accuracy, and perplexity of language models.

    The questions are those of epoch 0, so they are the same each time. Several processes answer
    their shares of each step.
    """
    with carrying_nothing(learner.encoder):
        return _evaluate(learner, stream, max_tokens, precision)


def _evaluate(
    learner: Learner, stream: StepStream, max_tokens: int, precision: Precision
) -> dict[str, float]:
    device = next(learner.parameters()).device
    learner.eval()
    kinds = ("loss", "correct", "labels")
    sums = {f"{name}_{kind}": 0.0 for name in learner.weights for kind in kinds}
    tokens = 0
    for step in stream.read_epoch():
        for batch, counts in step.batches():
            with float32_products(device), computing(device, precision):
                marks = learner(batch.to(device))
            for name, mark in marks.items() if counts else ():
                for key, value in ((f"{name}_loss", mark.loss), (f"{name}_correct", mark.correct)):
                    sums[key] += float(value)
        for name, count in step.num_labels.items():
            sums[f"{name}_labels"] += count
        tokens += step.num_tokens
        if tokens >= max_tokens:
            break
    figures = means(learner.weights, ranks().sum(sums))
    losses = {name: figures.get(f"{name}_loss", 0.0) for name in learner.weights}
    figures["loss"] = sum(learner.weights[name] * loss for name, loss in losses.items())
    for name, head in learner.heads.items():
        if getattr(head, "is_language_model", False) and f"{name}_loss" in figures:
            # Past this the number says nothing, and exp would overflow.
            figures[f"{name}_perplexity"] = math.exp(min(losses[name], 50.0))
    return {"loss": figures.pop("loss"), **figures}
