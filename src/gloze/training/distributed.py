"""One model on several processes: replicated in each, or its weights shared out among them.

PyTorch's engines for it are imported where there are several: that takes a second.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from gloze.core.devices import computing
from gloze.core.ranks import ranks

if TYPE_CHECKING:
    from gloze.core.batch import Batch
    from gloze.core.devices import Precision
    from gloze.training.config import TrainingConfig
    from gloze.training.learner import Learner


def is_sharded(config: TrainingConfig) -> bool:
    """Return whether each of several processes holds but its part of the weights."""
    return ranks().size > 1 and config.parallel == "sharded"


def replicate(learner: Learner, batch: Batch, precision: Precision) -> nn.Module:
    """Return the learner with gradients that are averaged over the processes as they arise.

    Args:
        learner: on its device.
        batch: tells which weights a loss depends on: one that never gets a gradient, like the
            pooler without next sentences, would be waited for.
        precision: of the training.
    """
    learner.eval()
    with computing(batch.input_ids.device, precision):
        total = torch.stack([mark.loss.float() for mark in learner(batch).values()]).sum()
    learner.train()
    trained = [p for p in learner.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(total, trained, allow_unused=True)
    return DistributedDataParallel(
        learner,
        gradient_as_bucket_view=True,
        # They never change: a vocabulary's spelling, say.
        broadcast_buffers=False,
        find_unused_parameters=any(gradient is None for gradient in gradients),
    )


def shard(learner: Learner) -> None:
    """Leave each process its part of every weight; layers are gathered as they are used.

    PyTorch's FSDP2: each layer of a list of layers by itself, what remains together.
    """
    from torch.distributed.fsdp import fully_shard

    # From the inside out: stacks of an LSTM are lists of lists.
    for module in reversed(list(learner.modules())):
        if isinstance(module, nn.ModuleList):
            for layer in module:
                fully_shard(layer)
    fully_shard(learner)


def exchanging(module: nn.Module, *, now: bool) -> AbstractContextManager[object]:
    """Return the context of a forward and a backward pass: gradients meet ``now``, or later."""
    if isinstance(module, DistributedDataParallel):
        return nullcontext() if now else module.no_sync()
    if ranks().size > 1:
        from torch.distributed.fsdp import FSDPModule

        assert isinstance(module, FSDPModule)
        module.set_requires_gradient_sync(now)
    return nullcontext()


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor of which this process may hold a part; all must ask at once."""
    if ranks().size == 1:
        return tensor
    from torch.distributed.tensor import DTensor

    if not isinstance(tensor, DTensor):
        return tensor
    gathered: Tensor = tensor.full_tensor()
    return gathered


def own_part(tensor: Tensor) -> Tensor:
    """Return the part of a tensor that this process holds, in the same memory."""
    to_local = getattr(tensor, "to_local", None)
    return tensor if to_local is None else to_local()


def whole_rows(rows: Tensor, like: Tensor) -> Tensor:
    """Return what all processes found of their rows of ``like``, end to end; all must ask.

    Args:
        rows: this process's, one for each row of its part, [own rows, ...].
        like: a weight, which may be shared out by rows.
    """
    if ranks().size == 1:
        return rows
    from torch.distributed.tensor import DTensor

    if not isinstance(like, DTensor):
        return rows
    shape = torch.Size((len(like), *rows.shape[1:]))
    spread = DTensor.from_local(
        rows, like.device_mesh, like.placements, shape=shape, stride=torch.empty(shape).stride()
    )
    return whole(spread)


def own_rows(rows: Tensor, like: Tensor) -> Tensor:
    """Return of all rows those that belong to this process's part of ``like``."""
    if ranks().size == 1:
        return rows
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(like, DTensor):
        return rows
    spread = distribute_tensor(rows, like.device_mesh, like.placements, src_data_rank=None)
    return spread.to_local()


def whole_weights(learner: nn.Module) -> dict[str, Tensor]:
    """Return all weights by name, whole; where they are shared out all must ask at once.

    The first process gets them, one after the other and on the CPU; others that hold but parts
    get none.
    """
    if ranks().size == 1:
        return dict(learner.state_dict())
    found = {}
    for name, tensor in learner.state_dict().items():
        gathered = whole(tensor)
        if ranks().is_first:
            found[name] = gathered.cpu()
    return found


def whole_lanes(states: Float[Tensor, "lanes size"]) -> Float[Tensor, "lanes size"]:
    """Return the states of all lanes, of which each process has read its own; all must call."""
    everyone = ranks()
    if everyone.size == 1:
        return states
    most = int(max(count for [count] in everyone.gather([len(states)])))
    found = states.new_zeros(most, states.shape[1])
    own = slice(everyone.rank, None, everyone.size)
    found[own][: len(states[own])] = states[own]
    distributed.all_reduce(found)
    return found
