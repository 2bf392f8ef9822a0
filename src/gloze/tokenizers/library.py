"""What the ``tokenizers`` library raises, in our words."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from gloze.core.errors import DataError, GlozeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def library_errors(doing: str, path: Path | None = None) -> Iterator[None]:
    """Turn whatever the library raises, its panics included, into a DataError."""
    try:
        yield
    except (GlozeError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:  # a panic in the library is no Exception
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise DataError(f"{doing} ({reason}).", path=path) from error
