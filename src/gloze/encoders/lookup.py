"""The encoder that looks words up: its hidden states are the rows of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gloze.core.errors import ConfigError
from gloze.core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class LookupConfig(Settings):
    """A table with a row for each word.

    Attributes:
        kind: of the encoder.
        hidden_size: numbers in a row.
        result: which vectors a training ends with: ``inner``, those that words are looked up
            by (of skip-gram the centre's, of CBOW those of the words around), or ``sum``, inner
            and outer ones together. Both sets are kept either way.
    """

    kind: Literal["lookup"] = "lookup"
    hidden_size: int = 100
    result: Literal["inner", "sum"] = "inner"

    def __post_init__(self) -> None:
        if self.hidden_size < 1:
            raise ConfigError(f"encoder.hidden_size is {self.hidden_size}; it must be at least 1.")
