"""Random starting weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.nn.attention import SelfAttention
    from gloze.nn.embeddings import Embeddings
    from gloze.nn.transformer_layer import TransformerLayer

# Of `start_local`: how high a wave is, in standard deviations of word vectors; the longest wave
# in the shortest; how far a head's first scores prefer its place to one without likeness.
_HEIGHT, _LONGEST, _PREFERENCE = 4.0, 30.0, 12.0
# Of heads that match: how far first scores prefer the same word, and position 0, to other words;
# how much louder than other heads they speak.
_LIKENESS, _SINK, _LOUDNESS = 10.0, 5.0, 2.0


def initialize(module: nn.Module, initializer_range: float) -> None:
    """Fill every weight below ``module`` as BERT does.

    Weights of dense layers and tables: a normal distribution cut at two standard deviations
    (Devlin et al. 2019's released code); biases 0; norms 1 and 0.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            limit = 2 * initializer_range
            nn.init.trunc_normal_(part.weight, std=initializer_range, a=-limit, b=limit)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
        if isinstance(part, nn.LayerNorm):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)


def scale_outputs(layers: Sequence[TransformerLayer]) -> None:
    """Shrink what each layer adds to its input by the root of how often something is added.

    That is twice a layer: sums over many layers then begin no larger than over one (Radford et
    al. 2019, 2.3).
    """
    with torch.no_grad():
        for layer in layers:
            for dense in (layer.attention.output, layer.output):
                dense.weight /= (2 * len(layers)) ** 0.5


def start_local(
    embeddings: Embeddings, attentions: Sequence[SelfAttention], *, matching_heads: int = 0
) -> None:
    """Let heads begin by looking at neighbours, one head back, the next one ahead.

    From BERT's own start a token looks everywhere alike, and a masked LM has to find out that
    words nearby matter: until then it learns little more than the frequency of words, for
    millions of tokens (docs/results.md). Here positions begin as sinusoids (Vaswani et al. 2017,
    3.5) in the first ``head_size`` numbers, and queries and keys as copies of these numbers, the
    queries' turned by the head's distance (after Trockman and Kolter 2023, Mimetic
    Initialization, where queries and keys begin alike). All is then learned as before.

    Args:
        embeddings: below the layers.
        attentions: of the layers that begin so.
        matching_heads: of each, the last ones: they look at the same word elsewhere instead.
    """
    table = _table(embeddings.position_embeddings)
    words = embeddings.token_embeddings.weight
    head_size = attentions[0].head_size
    size = head_size // 2 * 2
    waves = _LONGEST ** (-torch.arange(0, size, 2) / size)
    with torch.no_grad():
        height = _HEIGHT * words.std()
        angles = torch.arange(len(table))[:, None] * waves
        table.zero_()
        table[:, 0:size:2] = height * angles.sin()
        table[:, 1:size:2] = height * angles.cos()
        # Positions' share of a normed vector: beside them words and segments are summed.
        share = 1 / (1 + 2 * words.var() * table.shape[1] / (height**2 * size / 2))
        scale = (_PREFERENCE * head_size**0.5 / (share * table.shape[1])).sqrt()
        for attention in attentions:
            query, key, _ = attention.weights()
            query.zero_()
            key.zero_()
            first_matching = attention.num_attention_heads - matching_heads
            for head in range(first_matching):
                # Between two neighbours: a mask learns nothing from looking at itself.
                distance = (head // 2 + 1.5) * (1 if head % 2 else -1)
                query[head, :size, :size] = scale * _turn(waves * distance)
                key[head, :size, :size] = scale * torch.eye(size)
            for head in range(first_matching, attention.num_attention_heads):
                _match(attention, head, embeddings, share)


def _match(attention: SelfAttention, head: int, embeddings: Embeddings, share: Tensor) -> None:
    """Let a head begin by looking at the same word elsewhere; without one, at position 0.

    Half of a query equals half of a key: one random projection of words, blind to segments. The
    other halves are positions with opposite signs, so that a token passes over itself. A bias
    asks for position 0: where nothing matches, the head brings back one and the same vector.
    """
    kinds = _table(embeddings.token_type_embeddings)
    hidden_size, head_size = kinds.shape[1], attention.head_size
    half = head_size // 4 * 2
    columns = torch.cat([kinds[:, head_size:].T, torch.randn(hidden_size - head_size, half)], 1)
    projection = torch.linalg.qr(columns).Q[:, len(kinds) :].T
    # Squared lengths of a normed token's word and position, each as far as the head sees it.
    word, place = (1 - share) / 2 * half, share * hidden_size * half / head_size
    likeness = _LIKENESS * head_size**0.5
    query, key, value = (weights[head] for weights in attention.weights())
    for part, sign in ((query, 1), (key, -1)):
        part[:half, head_size:] = (likeness / word).sqrt() * projection
        part[-half:, :half] = sign * (likeness / place).sqrt() * torch.eye(half)
    start = _table(embeddings.position_embeddings)[0, :half]
    sink = (head_size / likeness) ** 0.5 * start / start.norm()
    attention.biases()[0, head, -half:] = -_SINK * sink
    value *= _LOUDNESS
    attention.output.weight[:, head * head_size : (head + 1) * head_size] *= _LOUDNESS


def _table(embeddings: nn.Module | None) -> Tensor:
    """Return the vectors of an embedding; who asks for this start has them all."""
    assert isinstance(embeddings, nn.Embedding)
    return embeddings.weight


def _turn(angles: Tensor) -> Tensor:
    """Return the matrix that turns pairs of sine and cosine on by ``angles``."""
    turn = torch.diag(angles.cos().repeat_interleave(2))
    sine = torch.arange(0, len(turn), 2)
    turn[sine, sine + 1], turn[sine + 1, sine] = angles.sin(), -angles.sin()
    return turn
