"""Which device, and what it is fast at."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal

import torch

from gloze.core.errors import ConfigError

if TYPE_CHECKING:
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
    """Return whether to compute in bf16 under this setting."""
    return precision == "bfloat16" or (precision == "auto" and has_fast_bfloat16(device))


def computing(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Return the context for forward passes: bf16 autocast where asked for."""
    if uses_bfloat16(device, precision):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()
