"""Numbers of rows rounded up, so that matrix kernels are made once and used again."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Tensor

# oneDNN compiles a kernel for every number of rows it meets, about a millisecond and 0.7 MB each,
# and a packed batch has a new number of tokens every time. At most 63 rows are wasted, and 3 of a
# single short text.
MULTIPLE, MULTIPLE_OF_FEW = 64, 4


def round_up_rows(x: Shaped[Tensor, "rows ..."], rows: int | None = None) -> Tensor:
    """Return ``x`` with rows of zeros added, up to ``rows`` or the next multiple of 64.

    Under 64 rows it is the next multiple of 4.

    Raises:
        ValueError: if ``rows`` are fewer than there are.
    """
    multiple = MULTIPLE if len(x) > MULTIPLE else MULTIPLE_OF_FEW
    spare = -len(x) % multiple if rows is None else rows - len(x)
    if spare < 0:
        raise ValueError(f"{len(x)} rows cannot be rounded up to {rows}.")
    return x if spare == 0 else F.pad(x, (0, 0) * (x.dim() - 1) + (0, spare))
