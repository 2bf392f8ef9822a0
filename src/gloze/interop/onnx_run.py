"""ONNX graphs of ours in onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from gloze.core.batch import Batch
from gloze.interop.onnx import INPUTS

if TYPE_CHECKING:
    from pathlib import Path


class Graph:
    """A graph of :func:`write_graph` in onnxruntime, for batches of ours."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(str(path), options, providers=providers)

    def __call__(self, batch: Batch) -> Float[Tensor, "rows width"]:
        """Return what the graph says of each sequence, or of each token."""
        visible = torch.arange(batch.max_seqlen) < batch.lengths[:, None]

        def padded(x: Tensor) -> Any:
            return x.new_zeros(visible.shape).masked_scatter_(visible, x).numpy()

        parts = padded(batch.input_ids), visible.long().numpy(), padded(batch.token_type_ids)
        [found] = self.session.run(None, dict(zip(INPUTS, parts, strict=True)))
        rows = torch.from_numpy(found)
        return rows[visible] if rows.dim() == 3 else rows
