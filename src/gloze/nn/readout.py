"""What a head reads of an encoder: which layers, put together how, and a BiLSTM over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gloze.core.batch import Batch
from gloze.core.errors import ConfigError
from gloze.core.settings import Settings, check_rate, refuse_idle
from gloze.nn.lstm import BiLSTM
from gloze.nn.pooling import Ways
from gloze.nn.scalar_mix import ScalarMix

if TYPE_CHECKING:
    from collections.abc import Sequence

Combine = Literal["concatenate", "sum", "mean", "mix"]


@dataclass(frozen=True, kw_only=True)
class ReadoutConfig(Settings):
    """Which hidden states a head reads; as it stands the last layer's.

    Attributes:
        layers: 0 is the embeddings, -1 the last layer; ``all`` of them with the embeddings, as
            far as their vectors are as large as the last layer's.
        combine: of several layers, one after the other (``concatenate``), their ``sum``, their
            ``mean``, or a ``mix``: a weighted mean whose weights are learned with the head, times
            a learned factor (Peters et al. 2018, equation 1).
        mix_norm: of ``mix``: each layer is normed before, without learned weights.
        lstm_layers: of a BiLSTM over the features of each sequence, trained with the head
            (Devlin et al. 2019, 5.3, has two); 0 for none.
        lstm_size: its units each way.
        lstm_dropout: before each of its layers.
    """

    layers: tuple[int, ...] | Literal["all"] = (-1,)
    combine: Combine = "concatenate"
    mix_norm: bool = False
    lstm_layers: int = 0
    lstm_size: int = 256
    lstm_dropout: float = 0.1

    def __post_init__(self) -> None:
        if not self.layers:
            raise ConfigError("readout.layers is empty; name at least one, like [-1].")
        if self.mix_norm and self.combine != "mix":
            raise ConfigError(
                "readout.mix_norm does nothing here: set readout.combine=mix, or leave it out."
            )
        if self.combine != "concatenate" and self.layers != "all" and len(self.layers) == 1:
            raise ConfigError(
                f"readout.combine={self.combine} is of several layers, and readout.layers names "
                f"{self.layers[0]} alone: name more, as in [-2, -1], or all."
            )
        if self.lstm_layers < 0:
            raise ConfigError(
                f"readout.lstm_layers is {self.lstm_layers}; it must not be negative."
            )
        if self.lstm_size < 1:
            raise ConfigError(f"readout.lstm_size is {self.lstm_size}; it must be at least 1.")
        check_rate("readout.lstm_dropout", self.lstm_dropout)
        if not self.lstm_layers:
            names = ("lstm_size", "lstm_dropout")
            refuse_idle("readout", self, names, "set readout.lstm_layers.")

    @property
    def is_plain(self) -> bool:
        """Whether a head reads the last layer as it is."""
        return self.layers == (-1,) and self.combine != "mix" and not self.lstm_layers

    def numbers(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Return which of an encoder's hidden states are read, counted from 0.

        Args:
            sizes: numbers in each of its hidden states.

        Raises:
            ConfigError: if it has not all of them, one is named twice, or several are to be put
                together where there is one, or that are of different sizes.
        """
        num_states = len(sizes)
        if num_states == 1 and self.combine != "concatenate":
            raise ConfigError(
                f"readout.combine is {self.combine}, and the model has one layer, its table of "
                "words: leave it out, and of --transfer mix give frozen."
            )
        if self.layers == "all":
            return tuple(layer for layer, size in enumerate(sizes) if size == sizes[-1])
        for layer in self.layers:
            if not -num_states <= layer < num_states:
                raise ConfigError(
                    f"readout.layers names {layer}; the model has hidden states 0 (the "
                    f"embeddings) to {num_states - 1}, or {-num_states} to -1 from the end."
                )
        numbers = tuple(layer % num_states for layer in self.layers)
        if len(set(numbers)) < len(numbers):
            raise ConfigError(f"readout.layers {list(self.layers)} names a layer twice.")
        own = [sizes[number] for number in numbers]
        if self.combine != "concatenate" and len(set(own)) > 1:
            raise ConfigError(
                f"readout.combine is {self.combine}, and the layers {list(self.layers)} are of "
                f"different sizes: {', '.join(map(str, own))}. Name some of one size."
            )
        return numbers


class Readout(nn.Module):
    """Hidden states to the features of each token.

    Args:
        state_sizes: numbers in each hidden state of the encoder, with the embeddings.
        config: what is read of them.
        direction: of the encoder.

    Attributes:
        ways: the direction that each of as many equal parts of the features was read in.
        layers: the hidden states it reads, counted from 0.
        output_size: numbers in the features of a token.
        mix: the learned shares of the layers, if there are any.

    Raises:
        ConfigError: if the encoder has not the layers asked for.
    """

    def __init__(
        self,
        state_sizes: Sequence[int],
        config: ReadoutConfig,
        direction: str = "bidirectional",
    ) -> None:
        super().__init__()
        self.layers, self.combine = config.numbers(state_sizes), config.combine
        count, sizes = len(self.layers), [state_sizes[layer] for layer in self.layers]
        size = sum(sizes) if config.combine == "concatenate" else sizes[0]
        self.mix = ScalarMix(count, norm=config.mix_norm) if config.combine == "mix" else None
        self.lstm = None
        if config.lstm_layers:
            self.lstm = BiLSTM(
                input_size=size,
                size=config.lstm_size,
                num_layers=config.lstm_layers,
                dropout=config.lstm_dropout,
            )
        self.output_size = size if self.lstm is None else self.lstm.output_size
        side_by_side = count if config.combine == "concatenate" else 1
        self.ways: Ways = ("right_to_left",) if direction == "right_to_left" else ("left_to_right",)
        if self.lstm is not None:
            self.ways = ("left_to_right", "right_to_left")
        elif direction == "two_way":
            self.ways = ("left_to_right", "right_to_left") * side_by_side

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Float[Tensor, "tokens size"]:
        """Return the features of each token."""
        features = self.combined(hidden_states)
        return features if self.lstm is None else self.lstm(features, batch)

    def combined(self, hidden_states: list[Tensor]) -> Tensor:
        """Return the layers it reads, put together: what the BiLSTM gets, if there is one."""
        states = [hidden_states[layer] for layer in self.layers]
        if self.mix is not None:
            return self.mix(states)
        if len(states) == 1:
            return states[0]
        if self.combine == "concatenate":
            return torch.cat(states, -1)
        total = torch.stack(states).sum(0)
        return total / len(states) if self.combine == "mean" else total


def layers_of(head: nn.Module) -> tuple[int, ...]:
    """Return the hidden states that a head reads, counted from 0."""
    found = (part.layers for part in head.modules() if isinstance(part, Readout))
    return tuple(sorted({layer for layers in found for layer in layers}))


def mix_of(head: nn.Module) -> dict[str, Any] | None:
    """Return in which shares a head reads the layers, by their number, and gamma.

    None if it has learned none.
    """
    for part in head.modules():
        if isinstance(part, Readout) and part.mix is not None:
            shares = part.mix.shares.tolist()
            by_layer = {str(layer): share for layer, share in zip(part.layers, shares, strict=True)}
            return {"shares": by_layer, "gamma": part.mix.gamma.item()}
    return None
