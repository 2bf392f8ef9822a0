"""Tasks with one vector for each sequence: how it is read off the encoder, and scored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from jaxtyping import Float
from torch import Tensor, nn

from gloze.core.errors import ConfigError
from gloze.nn.pooling import first_of_sequence, mean_of_sequence
from gloze.tasks.learned import E
from gloze.tasks.task import Task

if TYPE_CHECKING:
    from gloze.core.batch import Batch
    from gloze.nn.readout import Readout

Pooling = Literal["auto", "pooler", "cls", "mean"]
