"""Memory: the C library's allocator set for work that asks for the same blocks, and its end."""

from __future__ import annotations

import ctypes

# Parameters of glibc's mallopt (malloc.h) and the values given to them, in bytes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGE = 1 << 30


def keep_freed_memory() -> bool:
    """Keep what is freed for the next step or text instead of handing it back to the system.

    By default glibc returns blocks of some megabytes at once, and every step pays for its
    activations' pages anew: a tenth of the time of a small model. The peak stays what it was.
    It is a setting of the whole process.

    Returns:
        Whether the C library knows these settings; elsewhere nothing is changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGE) and mallopt(_TRIM_THRESHOLD, _LARGE))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that there is no memory left, of Python, PyTorch or a device.

    PyTorch's are told by name and text: it is imported only by what needs it.
    """
    refused = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or refused or type(error).__name__ == "OutOfMemoryError"
