"""Multinomial logistic regression: how much a plain classifier reads from frozen vectors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]

_STEPS = 500


class LogisticRegression:
    """A linear classifier of standardized vectors, fitted to its one optimum.

    It has the least sum of the labels' negative log-likelihoods and half the squared weights,
    divided by ``strength`` (biases are free). Found by L-BFGS in double precision, from zero, so
    nothing is random.

    Attributes:
        strength: of the data against the penalty, scikit-learn's C.
    """

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength
        self._mean = self._scale = np.zeros(0)
        self._weight, self._bias = torch.zeros(0), torch.zeros(0)

    def fit(self, vectors: Floats, labels: Labels, num_labels: int) -> LogisticRegression:
        """Fit to vectors [examples, size] and labels [examples], from 0 to ``num_labels`` - 1."""
        self._mean = vectors.mean(axis=0, dtype=np.float64)
        scale = vectors.std(axis=0, dtype=np.float64)
        self._scale = np.where(scale > 0, scale, 1)
        inputs, wanted = self._standardized(vectors), torch.from_numpy(labels)
        shape = (num_labels, inputs.shape[1])
        self._weight = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
        self._bias = torch.zeros(num_labels, dtype=torch.float64, requires_grad=True)
        parameters = [self._weight, self._bias]
        optimizer = torch.optim.LBFGS(
            parameters, max_iter=_STEPS, tolerance_grad=1e-8, line_search_fn="strong_wolfe"
        )

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            scores = inputs @ self._weight.T + self._bias
            penalty = self._weight.square().sum() / (2 * self.strength)
            loss = (F.cross_entropy(scores, wanted, reduction="sum") + penalty) / len(wanted)
            loss.backward()
            return loss

        optimizer.step(closure)
        return self

    def predict(self, vectors: Floats) -> Labels:
        """Return the likeliest label of each vector, [examples]."""
        with torch.no_grad():
            scores = self._standardized(vectors) @ self._weight.T + self._bias
        return scores.argmax(dim=1).numpy()

    def _standardized(self, vectors: Floats) -> torch.Tensor:
        return torch.from_numpy((vectors - self._mean) / self._scale)
