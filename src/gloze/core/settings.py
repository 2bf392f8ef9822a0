"""The base of every block of settings: frozen dataclasses that refuse unknown names."""

from __future__ import annotations

from typing import Any, ClassVar


class Settings:
    """A block of a recipe. Subclasses are frozen, keyword-only dataclasses."""

    # Read by pydantic when a recipe comes from outside; inside, the dataclass itself refuses.
    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}
