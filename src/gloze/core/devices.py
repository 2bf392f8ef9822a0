"""Which device, and what it is fast at."""

from __future__ import annotations

import contextlib
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from gloze.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

Precision = Literal["auto", "float32", "bfloat16"]


def pick_device(name: str = "auto") -> torch.device:
    """Return the device of that name; ``auto`` is CUDA if there is any, else the CPU.

    Raises:
        ConfigError: if there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"The device {name!r} cannot be used here: {reason}") from error
    return device


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return whether bf16 products are faster than float32 ones on ``device``."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, p, bool)() for p in probes)


def uses_bfloat16(device: torch.device, precision: Precision) -> bool:
    """Return whether to compute in bf16 under this setting.

    Raises:
        ConfigError: for a setting there is not.
    """
    if precision not in (known := get_args(Precision)):
        raise ConfigError(f"There is no precision {precision!r}: it is one of {', '.join(known)}.")
    return precision == "bfloat16" or (precision == "auto" and has_fast_bfloat16(device))


def computing(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Return the context for forward passes: bf16 autocast where asked for."""
    if uses_bfloat16(device, precision):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


@contextlib.contextmanager
def float32_products(device: torch.device) -> Iterator[None]:
    """Let oneDNN make a CPU's float32 products, forward and backward: twice as fast on some.

    PyTorch gives them to oneDNN only if told that half precision would do for them. Where the
    CPU has no matrix unit for halves oneDNN computes in float32 all the same; a trial product
    tells, and where it is less exact nothing is changed.
    """
    if device.type != "cpu" or not _keeps_float32():
        yield
        return
    products = _products()
    with _lock:
        _found.append(products.fp32_precision)
        products.fp32_precision = "bf16"
    try:
        yield
    finally:
        with _lock:
            found = _found.pop()
            # Of several at work the last to leave pops what the first one found.
            if not _found:
                products.fp32_precision = found


_lock = threading.Lock()
_found: list[str] = []


def _products() -> Any:
    return getattr(torch.backends.mkldnn, "matmul", None)


@lru_cache(maxsize=1)
def _keeps_float32() -> bool:
    products = _products()
    if products is None or not torch.backends.mkldnn.is_available():
        return False
    draw = torch.Generator().manual_seed(0)
    left, right = (torch.randn(256, 256, generator=draw) for _ in range(2))
    exact = left.double() @ right.double()
    found = products.fp32_precision
    try:
        products.fp32_precision = "bf16"
        error = (left @ right - exact).norm() / exact.norm()
    except RuntimeError:
        return False
    finally:
        products.fp32_precision = found
    return bool(error < 2e-6)
