"""Settings of what is learned from counts: GloVe, and truncated SVD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gloze.core.errors import ConfigError
from gloze.core.settings import Settings, refuse_idle


@dataclass(frozen=True, kw_only=True)
class GloVeConfig(Settings):
    """Weighted least squares on the logarithm of counts (Pennington et al. 2014).

    Attributes:
        x_max: counts from this on weigh 1;
        alpha: those under it as much as their share of it to the power of this.
    """

    x_max: float = 100.0
    alpha: float = 0.75

    def __post_init__(self) -> None:
        for name in ("x_max", "alpha"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"glove.{name} is {getattr(self, name)}; it must be over 0.")


@dataclass(frozen=True, kw_only=True)
class SVDConfig(Settings):
    """Truncated SVD of weighted counts (Levy and Goldberg 2014; Levy et al. 2015).

    Attributes:
        weighting: what becomes of a count: ``ppmi`` pointwise mutual information where it is
            over 0; ``pmi`` all of it, words that never meet being 0; ``log`` log(1 + count);
            ``raw`` the count.
        shift: the logarithm of this is taken from the pointwise mutual information, as negative
            sampling with so many noise words does it.
        context_power: the second word's share is that of its count to the power of this.
        exponent: vectors are those of the SVD times the singular values to the power of this.
    """

    weighting: Literal["ppmi", "pmi", "log", "raw"] = "ppmi"
    shift: float = 1.0
    context_power: float = 0.75
    exponent: float = 0.5

    def __post_init__(self) -> None:
        if self.weighting in ("log", "raw"):
            cure = "it belongs to pointwise mutual information."
            refuse_idle("objectives.svd", self, ("shift", "context_power"), cure)
        if not 0 < self.shift < float("inf"):
            raise ConfigError(f"svd.shift is {self.shift}; it must be over 0.")
        if not 0 <= self.context_power <= 1 or not 0 <= self.exponent <= 1:
            raise ConfigError("svd.context_power and svd.exponent must be from 0 to 1.")
