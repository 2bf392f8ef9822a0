"""In which order training meets the sequences of a corpus."""

from __future__ import annotations

from typing import Literal

Order = Literal["shuffled", "consecutive"]
Lanes = Literal["forward", "backward"]
