"""Lists: of one thing or several, as callers find handy; turned round."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")


def as_list(value: T | Iterable[T]) -> list[T]:
    """Return a lone text or path as a list of it; anything else as a list."""
    return [value] if isinstance(value, str | Path) else list(value)  # type: ignore[arg-type]


def turned(items: Sequence[T], by: int) -> list[T]:
    """Return the items that follow each at a distance; the first ones follow the last."""
    start = by % max(1, len(items))
    return [*items[start:], *items[:start]]
