"""The base of every block of settings: frozen dataclasses that refuse unknown names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gloze.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Settings:
    """A block of a recipe. Subclasses are frozen, keyword-only dataclasses."""

    # Read by pydantic when a recipe comes from outside; inside, the dataclass itself refuses.
    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}


def refuse_idle(block: str, settings: Settings, names: Iterable[str], cure: str) -> None:
    """Refuse settings that were changed where they do nothing."""
    for name in names:
        if getattr(settings, name) != getattr(type(settings), name):
            raise ConfigError(f"{block}.{name} does nothing here: {cure}")


def check_rate(name: str, rate: float) -> None:
    """Refuse a rate of dropout, or the like, that is not at least 0 and under 1."""
    if not 0 <= rate < 1:
        raise ConfigError(f"{name} is {rate}; it must be at least 0 and under 1.")
