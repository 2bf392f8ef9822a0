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


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function of arrays and numbers.

    Sums may be taken in another order than written, which is what lets them run in parallel
    lanes; on one machine they always are in the same.
    """
    return njit(
        function, cache=True, nogil=True, fastmath=True, boundscheck=False, error_model="numpy"
    )
