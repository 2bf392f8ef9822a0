"""Random starting weights."""

from __future__ import annotations

from torch import nn


def initialize(module: nn.Module, initializer_range: float) -> None:
    """Fill every weight below ``module`` as BERT does.

    Weights of dense layers and tables: a normal distribution cut at two standard deviations
    (Devlin et al. 2019's released code); biases 0; norms 1 and 0.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            limit = 2 * initializer_range
            nn.init.trunc_normal_(part.weight, std=initializer_range, a=-limit, b=limit)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
        if isinstance(part, nn.LayerNorm):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
