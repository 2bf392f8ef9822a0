"""Compiling: without the interpreter's lock, for this machine's vector units, kept on disk.

Importing a module of kernels needs numba; compiling is left to the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gloze.core.errors import MissingExtraError

try:
    from numba import njit
except ImportError as error:
    raise MissingExtraError("numba", "vectors", "Training word vectors") from error

if TYPE_CHECKING:
    from collections.abc import Callable


_OPTIONS: Any = {
    "nogil": True,
    "fastmath": True,
    "boundscheck": False,
    "error_model": "numpy",
}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function of arrays and numbers.

    Sums may be taken in another order than written, which is what lets them run in parallel
    lanes; on one machine they always are in the same.
    """
    return _compiled(function)


def part(function: Callable[..., Any]) -> Any:
    """Compile a piece of a kernel, which becomes a part of what calls it.

    A call hands over seven numbers for each array; in a loop over positions that takes as long as
    the work.
    """
    return _compiled(function, inline="always")


def _compiled(function: Callable[..., Any], **more: Any) -> Any:
    try:
        return njit(function, cache=True, **_OPTIONS, **more)
    except RuntimeError:
        # Neither beside the source nor in the user's own folder can anything be written.
        return njit(function, **_OPTIONS, **more)
