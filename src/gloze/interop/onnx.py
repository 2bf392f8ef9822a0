"""Encoders as ONNX graphs, for runtimes that know nothing of us: the ``export`` extra.

Such a graph takes a rectangle of padded token ids, as every runtime gives it, and returns one
vector for each text, or the scores of a task's head.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from gloze.core.errors import ConfigError, MissingExtraError
from gloze.nn.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gloze.encoders.transformer import TransformerEncoder
    from gloze.nn.attention import SelfAttention
    from gloze.nn.pooling import TextVectors

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
VECTORS, SCORES = "embeddings", "logits"
# The first with all that is written here; runtimes of the last two years read it.
_OPSET = 20
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True, kw_only=True)
class _Rectangle(Layout):
    """Texts side by side, in which padding counts as tokens that nobody sees.

    Attributes:
        visible: true at the real ones.
    """

    visible: Bool[Tensor, "texts longest"]


class _RectangleAttention(nn.Module):
    """Self-attention with the weights of ours, in plain steps that every runtime knows."""

    def __init__(self, own: SelfAttention) -> None:
        super().__init__()
        self.heads = own.num_attention_heads
        self.query_key_value, self.output = own.query_key_value, own.output

    def forward(
        self, hidden: Float[Tensor, "tokens hidden"], layout: _Rectangle, cache: None = None
    ) -> Float[Tensor, "tokens hidden"]:
        texts, longest = layout.visible.shape
        joined = self.query_key_value(hidden).view(texts, longest, 3, self.heads, -1)
        query, key, value = joined.permute(2, 0, 3, 1, 4).unbind(0)
        seen = layout.visible[:, None, None, :]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        result: Tensor = self.output(mixed.transpose(1, 2).reshape(texts * longest, -1))
        return result


class _LevelLinear(nn.Module):
    """A dense layer whose inputs are divided by each token's largest number, its outputs not.

    Runtimes give the inputs of an 8-bit product one range for a whole batch. Divided so, every
    token reaches an end of it, and what else is in the batch moves a token's scale at most
    twofold (a scale for each row of the inputs is LLM.int8()'s; Dettmers et al. 2022, 3.1).
    """

    def __init__(self, own: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = own.weight, own.bias

    def forward(self, x: Float[Tensor, "tokens inputs"]) -> Float[Tensor, "tokens outputs"]:
        largest = x.abs().amax(-1, keepdim=True).clamp(min=1e-12)
        return F.linear(x / largest, self.weight) * largest + self.bias


class _Encoder(nn.Module):
    """A padded rectangle of token ids to hidden states."""

    def __init__(self, encoder: TransformerEncoder, *, level: bool) -> None:
        super().__init__()
        own: Any = deepcopy(encoder).float().cpu()
        for layer in own.layers:
            layer.attention = _RectangleAttention(layer.attention)
            for part in (layer, layer.attention) if level else ():
                for name, linear in list(part.named_children()):
                    if isinstance(linear, nn.Linear):
                        setattr(part, name, _LevelLinear(linear))
        self.embeddings, self.layers = own.embeddings, own.layers

    def forward(
        self,
        input_ids: Int[Tensor, "texts longest"],
        attention_mask: Int[Tensor, "texts longest"],
        token_type_ids: Int[Tensor, "texts longest"],
    ) -> list[Float[Tensor, "texts longest hidden"]]:
        texts, longest = input_ids.shape
        places = torch.arange(longest).expand(texts, -1).reshape(-1)
        hidden = self.embeddings(input_ids.reshape(-1), places, token_type_ids.reshape(-1))
        layout = _Rectangle(
            cu_seqlens=torch.arange(texts + 1) * longest,
            position_ids=places,
            max_seqlen=longest,
            visible=attention_mask.bool(),
        )
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], layout))
        return [state.view(texts, longest, -1) for state in states]


def _pooled(hidden: Tensor, attention_mask: Tensor, pooling: str) -> Tensor:
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "max":
        return hidden.masked_fill(attention_mask[:, :, None] == 0, float("-inf")).amax(1)
    share = attention_mask[:, :, None].to(hidden.dtype)
    return (hidden * share).sum(1) / share.sum(1)


class _Vectors(nn.Module):
    """A padded rectangle of token ids to one vector for each text."""

    def __init__(self, encoder: _Encoder, how: TextVectors) -> None:
        super().__init__()
        self.encoder, self.pooling, self.normalize = encoder, how.pooling, how.normalize

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> Float[Tensor, "texts hidden"]:
        states = self.encoder(input_ids, attention_mask, token_type_ids)
        pooled = _pooled(states[-1], attention_mask, self.pooling)
        return F.normalize(pooled) if self.normalize else pooled


class _Scores(nn.Module):
    """A padded rectangle of token ids to the scores of each text, or of each token."""

    def __init__(self, encoder: _Encoder, head: Any) -> None:
        super().__init__()
        self.encoder = encoder
        own = deepcopy(head).float().cpu()
        self.readout, self.output = own.readout, own.output
        self.pooling: str | None = getattr(own, "pooling", None)
        self.pooler = own._pooler[0].dense if self.pooling == "pooler" else None

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> Float[Tensor, "texts *longest width"]:
        states = self.encoder(input_ids, attention_mask, token_type_ids)
        if self.pooler is not None:
            return self.output(torch.tanh(self.pooler(states[-1][:, 0])))
        features = self.readout.combined([state.flatten(0, 1) for state in states])
        features = features.view(*input_ids.shape, -1)
        if self.pooling is not None:
            features = _pooled(features, attention_mask, self.pooling)
        return self.output(features)


def check_extra(purpose: str) -> None:
    """Check that the packages of the ``export`` extra are there.

    Raises:
        MissingExtraError: if one is not.
    """
    from importlib.util import find_spec

    for package in _PACKAGES:
        if find_spec(package) is None:
            raise MissingExtraError(package, "export", purpose)


def write_graph(
    encoder: TransformerEncoder, path: Path, *, end: TextVectors | nn.Module, level: bool = False
) -> None:
    """Write an encoder and what is on it in float32, for any number of texts of any length.

    Args:
        encoder: to write.
        path: the file.
        end: how vectors are made of its last hidden states, or the head of a task.
        level: write it for :func:`write_int8`: inputs of products on one level.

    Raises:
        ConfigError: if its tokens may not look both ways, or the head is more than a graph holds.
    """
    is_head = isinstance(end, nn.Module)
    if is_head:
        _check_head(end)
    if encoder.config.direction != "bidirectional":
        raise ConfigError(
            f"Only encoders whose tokens look both ways can be exported; this one is "
            f"{encoder.config.direction}."
        )
    ids = torch.ones(2, 5, dtype=torch.long)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    sizes = {
        0: torch.export.Dim("texts", min=1, max=1 << 20),
        1: torch.export.Dim("longest", min=2, max=encoder.config.max_position_embeddings),
    }
    plain = _Encoder(encoder, level=level)
    module = _Scores(plain, end) if isinstance(end, nn.Module) else _Vectors(plain, end)
    with _quietly(), torch.no_grad():
        program: Any = torch.onnx.export(
            module.eval(),
            (ids, mask, torch.zeros_like(ids)),
            input_names=INPUTS,
            output_names=[SCORES if is_head else VECTORS],
            dynamic_shapes=dict.fromkeys(INPUTS, sizes),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
        program.save(path)


def _check_head(head: Any) -> None:
    if head.readout.lstm is not None:
        raise ConfigError("A BiLSTM over the encoder (readout.lstm_layers) cannot be exported.")
    if getattr(head, "crf", None) is not None:
        raise ConfigError(
            "The chain of tags (task.crf) is decoded over whole sentences, which a graph does not "
            "do: export a model trained without."
        )


def write_int8(path: Path, output: Path, *, kept: int = 0) -> None:
    """Write a graph of :func:`write_graph` with weights and products in 8 bits.

    Weights have a scale for each output: one for a whole matrix loses too much.

    Args:
        path: the graph in float32, on one level.
        output: to write.
        kept: layers, from the first up, whose feed-forward output stays in float32. Its inputs
            have the largest outliers, and an early error is carried on by every layer above.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(path)
    # Shapes noted by the exporter are of weights as they were before they are turned.
    del graph.graph.value_info[:]
    weights = tuple(f"encoder.layers.{number}.output.weight" for number in range(kept))
    spared = [node.name for node in graph.graph.node if set(weights) & set(node.input)]
    with _quietly():
        quantize_dynamic(
            graph,
            output,
            per_channel=True,
            weight_type=QuantType.QInt8,
            # A product is renamed before it is looked for.
            nodes_to_exclude=[name for n in spared for name in (n, f"{n}_MatMul")],
        )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporters' talk about themselves from the screen."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
