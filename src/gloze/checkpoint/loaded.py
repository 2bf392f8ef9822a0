"""A model read into memory: its encoder, its tokenizer, and the weights of its heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch
from torch import nn

from gloze.core.errors import DataError
from gloze.encoders.kinds import AnyEncoder
from gloze.encoders.transformer import TransformerEncoder

if TYPE_CHECKING:
    from torch import Tensor

    from gloze.tokenizers import Tokenizer
    from gloze.vectors.table import WordVectors

E_co = TypeVar("E_co", bound=nn.Module, covariant=True)


@dataclass(frozen=True)
class Loaded(Generic[E_co]):
    """What a model folder holds.

    Attributes:
        encoder: with the folder's weights.
        tokenizer: of the folder.
        tensors: every weight of the folder under our names.
        config: ``config.json`` as it stands.
        unknown: names of weights that have no place with us.
        vectors: the same as word vectors, where the encoder is a table of such.
    """

    encoder: E_co
    tokenizer: Tokenizer
    tensors: dict[str, Tensor]
    config: dict[str, Any]
    unknown: list[str]
    vectors: WordVectors | None = None

    def load_head(self, name: str, head: nn.Module) -> bool:
        """Fill a head with the folder's weights; return False if it has none for it.

        A head without weights of its own, such as an output that is the token table, is as good
        as filled.

        Raises:
            DataError: if they do not fit.
        """
        prefix = f"heads.{name}."
        own = {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}
        if not own:
            return not head.state_dict()
        fill_weights(head, own, f"the {name} head")
        return True


Parts = Loaded[TransformerEncoder]
# Of a model that a task is learned on.
AnyParts = Loaded[AnyEncoder]


def fill_weights(
    module: nn.Module, tensors: dict[str, Tensor], where: str, may_lack: tuple[str, ...] = ()
) -> None:
    """Fill a module with weights, in float32.

    Args:
        module: to fill.
        tensors: by the names of its own.
        where: they are from, for messages.
        may_lack: beginnings of names that may be missing.

    Raises:
        DataError: if one is missing, of another shape, or none of the module's.
    """
    own = module.state_dict()
    missing = [n for n in own if n not in tensors and not n.startswith(may_lack or "\0")]
    if missing:
        raise DataError(f"weights are missing: {', '.join(missing[:5])}.", path=where)
    for name, tensor in tensors.items():
        if name not in own or own[name].shape != tensor.shape:
            wanted = tuple(own[name].shape) if name in own else "none"
            raise DataError(
                f"{name} has shape {tuple(tensor.shape)}, expected {wanted}.", path=where
            )
    floats = {name: tensor.to(torch.float32) for name, tensor in tensors.items()}
    module.load_state_dict(floats, strict=False)
