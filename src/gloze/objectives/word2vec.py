"""Settings of skip-gram and CBOW (Mikolov et al. 2013a, 2013b)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gloze.core.errors import ConfigError
from gloze.core.settings import Settings, refuse_idle

_MOST_SHARED, _HIGHEST_POWER = 1024, 2
_OUTPUTS = Literal["negative_sampling", "hierarchical_softmax"]


@dataclass(frozen=True, kw_only=True)
class SkipGramConfig(Settings):
    """From the word at a position predict those around it.

    Attributes:
        output: ``negative_sampling`` tells words from noise (Mikolov et al. 2013b, 2.2);
            ``hierarchical_softmax`` predicts the turns to a word in a Huffman tree (2.1).
        negatives: noise words for each prediction.
        shared_negatives: noise words drawn for each block of 32 positions, which all have them in
            common, weighed so that they count as ``negatives`` for each prediction. A multiple of
            four; fewer are faster, and noisier.
        noise_power: noise words are drawn by their counts to the power of this.
    """

    output: _OUTPUTS = "negative_sampling"
    negatives: int = 5
    shared_negatives: int = 24
    noise_power: float = 0.75

    def __post_init__(self) -> None:
        if self.output == "hierarchical_softmax":
            names = ("negatives", "shared_negatives", "noise_power")
            refuse_idle("objectives", self, names, "hierarchical_softmax draws no noise words.")
        if self.negatives < 1:
            raise ConfigError(f"negatives is {self.negatives}; there must be one at least.")
        if not 4 <= self.shared_negatives <= _MOST_SHARED or self.shared_negatives % 4:
            raise ConfigError(
                f"shared_negatives is {self.shared_negatives}; it must be a multiple of four, "
                f"{_MOST_SHARED} at most."
            )
        if not -_HIGHEST_POWER <= self.noise_power <= _HIGHEST_POWER:
            raise ConfigError(
                f"noise_power is {self.noise_power}; it must be from -{_HIGHEST_POWER} to "
                f"{_HIGHEST_POWER}."
            )


@dataclass(frozen=True, kw_only=True)
class CBOWConfig(SkipGramConfig):
    """From the mean of the words around a position predict the word there.

    Attributes:
        divided_gradient: each word around gets its own part of the mean's gradient, which is
            right and learns more slowly at the same rate; else the whole of it, as in the first
            program and in gensim (Irsoy et al. 2021).
    """

    divided_gradient: bool = False
