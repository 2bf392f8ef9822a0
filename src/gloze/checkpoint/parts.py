"""Tensors of which each process holds a part: written and read by all of them together.

PyTorch's distributed checkpoint in safetensors: each process writes one file, with the place of
each part in its tensor, so that any number of processes, or one, can read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from gloze.core.errors import DataError, WriteError
from gloze.core.ranks import ranks

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

Groups = dict[str, dict[str, "Tensor"]]
_BETWEEN = "/"


def are_parts(tensors: Groups) -> bool:
    """Return whether a process holds but a part of some of these tensors."""
    if ranks().size == 1:
        return False
    from torch.distributed.tensor import DTensor

    return any(isinstance(x, DTensor) for group in tensors.values() for x in group.values())


def save_parts(tensors: Groups, folder: Path) -> None:
    """Write this process's parts; all must write to the same folder at once.

    Raises:
        WriteError: if one of them cannot write.
    """
    from torch.distributed.checkpoint import hf_storage, state_dict_saver
    from torch.distributed.checkpoint.api import CheckpointException

    writer = hf_storage.HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        state_dict_saver.save(_flat(tensors), storage_writer=writer)
    except CheckpointException as error:
        # PyTorch's is no ordinary exception: nothing else would catch it.
        reasons = [str(failure[0]) for failure in error.failures.values()]
        raise WriteError(f"Cannot write {folder}: {'; '.join(reasons)[:300]}") from error


def holds_parts(folder: Path) -> bool:
    """Return whether a checkpoint was written by :func:`save_parts`."""
    return any(folder.glob("shard-*.safetensors"))


def read_parts(folder: Path, like: Groups | None = None) -> Groups:
    """Read what :func:`save_parts` wrote.

    Args:
        folder: of the checkpoint.
        like: of the same names and shapes, filled in place with this process's parts; all must
            read at once. By default whole tensors are made of all parts.

    Raises:
        DataError: if names or shapes differ, or a file cannot be read.
    """
    from torch.distributed.checkpoint import hf_storage, state_dict_loader
    from torch.distributed.checkpoint.api import CheckpointException

    reader = hf_storage.HuggingFaceStorageReader(str(folder))
    try:
        known: dict[str, Any] = reader.read_metadata().state_dict_metadata
        if like is None:
            flat = {n: torch.empty(m.size, dtype=m.properties.dtype) for n, m in known.items()}
        else:
            # An optimizer that has made no step yet has nothing to read.
            flat = {name: x for name, x in _flat(like).items() if name in known}
        state_dict_loader.load(flat, storage_reader=reader, no_dist=like is None)
    except (CheckpointException, RuntimeError, OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise DataError(f"not readable as a checkpoint in parts: {reason}.", path=folder) from error
    groups: Groups = {}
    for name, tensor in flat.items():
        group, _, rest = name.partition(_BETWEEN)
        groups.setdefault(group, {})[rest] = tensor
    return groups


def take_parts(tensors: Groups, like: Groups) -> Groups:
    """Return this process's parts of whole tensors, cut as those of the same name in ``like``."""
    return {
        group: {name: _part(x, like.get(group, {}).get(name)) for name, x in named.items()}
        for group, named in tensors.items()
    }


def _part(tensor: Tensor, like: Tensor | None) -> Tensor:
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(like, DTensor):
        return tensor
    # From what lies here: every process has read the same.
    return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)


def _flat(tensors: Groups) -> dict[str, Tensor]:
    return {
        f"{group}{_BETWEEN}{name}": x
        for group, named in tensors.items()
        for name, x in named.items()
    }
