"""One thing or several, as callers find handy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


def as_list(value: T | Iterable[T]) -> list[T]:
    """Return a lone text or path as a list of it; anything else as a list."""
    return [value] if isinstance(value, str | Path) else list(value)  # type: ignore[arg-type]
