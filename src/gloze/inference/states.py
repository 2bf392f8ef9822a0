"""Hidden states of whole texts, put together from their windows, and vectors pooled from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from gloze.core.errors import ConfigError
from gloze.core.ranges import places, ranges
from gloze.data.windows import has_most_context
from gloze.inference.batches import batches
from gloze.tokenizers.spelling import spell_marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from gloze.core.batch import Ints
    from gloze.data.windows import Windows
    from gloze.inference.model import Model
    from gloze.inference.units import Units

Values = npt.NDArray[Any]
Combine = Literal["stack", "sum", "mean", "concat"]
Pieces = Literal["first", "mean"]
Pooled = Literal["cls", "mean", "max"]


class _Rows:
    """Where states lie: for each text its windows' [CLS], each token once, its windows' [SEP].

    Attributes:
        windows: of each text.
        lengths: rows of each text.
        firsts: where those of each text begin.
        tokens: the row of each token.
    """

    def __init__(self, lengths: Ints, cut: Windows) -> None:
        self.windows = np.bincount(cut.owner, minlength=len(lengths))
        self.lengths = lengths + 2 * self.windows
        self.firsts = np.cumsum(self.lengths) - self.lengths
        self.tokens = ranges(self.firsts + self.windows, lengths)


@torch.inference_mode()
def states_of(
    model: Model, units: Units, cut: Windows, layers: Sequence[int], combine: Combine
) -> Tensor:
    """Return the states of texts, [rows, size], in the order of :class:`_Rows`.

    Args:
        model: computes them, in float32 from here on.
        units: the texts.
        cut: their windows.
        layers: counted from 0, the embeddings.
        combine: several layers; stacked ones lie end to end.
    """
    rows = _Rows(units.lengths, cut)
    own = model.tokenizer
    sequences = _between(units.ids, np.array([own.cls_id, own.sep_id]), units, cut)
    characters = None
    if units.characters is not None:
        marks = spell_marks(units.characters.shape[1])
        characters = _between(units.characters, marks, units, cut)
    targets = _targets(units.lengths, cut, rows)
    found: Tensor | None = None
    of_all = batches(sequences, max_tokens=model.tokens_at_once, characters=characters)
    for chosen, batch in of_all:
        hidden = model.hidden_states(batch)
        states = _combined([hidden[layer].float() for layer in layers], combine)
        if found is None:
            found = states.new_empty(int(rows.lengths.sum()), states.shape[1])
        target = np.concatenate([targets[i] for i in chosen])
        if (target < 0).any():
            states = states[torch.from_numpy(np.flatnonzero(target >= 0)).to(states.device)]
            target = target[target >= 0]
        found[torch.from_numpy(target).to(states.device)] = states
    assert found is not None
    return found


def _between(values: Values, marks: Values, units: Units, cut: Windows) -> list[Values]:
    """Return what is of the tokens of each window, between what is of [CLS] and of [SEP]."""
    text_firsts = np.cumsum(units.lengths) - units.lengths
    lengths = cut.lengths + 2
    ends = np.cumsum(lengths)
    found = np.empty((int(lengths.sum()), *values.shape[1:]), dtype=marks.dtype)
    found[ends - lengths], found[ends - 1] = marks
    inside = ranges(ends - lengths + 1, cut.lengths)
    found[inside] = values[ranges(text_firsts[cut.owner] + cut.starts, cut.lengths)]
    return np.split(found, ends[:-1])


def _targets(lengths: Ints, cut: Windows, rows: _Rows) -> list[Ints]:
    """Return the row of each token of each window, -1 where another window has more context."""
    sizes = cut.lengths + 2
    ends = np.cumsum(sizes)
    targets = np.empty(int(sizes.sum()), dtype=np.int64)
    first, number = rows.firsts[cut.owner], places(rows.windows)
    targets[ends - sizes] = first + number
    targets[ends - 1] = first + rows.lengths[cut.owner] - rows.windows[cut.owner] + number
    inside = ranges(first + rows.windows[cut.owner] + cut.starts, cut.lengths)
    kept = has_most_context(lengths, cut)
    targets[ranges(ends - sizes + 1, cut.lengths)] = np.where(kept, inside, -1)
    return np.split(targets, ends[:-1])


def _combined(states: list[Tensor], combine: Combine) -> Tensor:
    sizes = [each.shape[1] for each in states]
    if combine != "concat" and len(set(sizes)) > 1:
        raise ConfigError(
            f"The layers have vectors of {', '.join(map(str, sizes))} numbers, which "
            f"{combine} cannot put together: take concat, or layers of one size."
        )
    if combine in ("stack", "concat"):
        return states[0] if len(states) == 1 else torch.cat(states, dim=-1)
    total = sum(states[1:], states[0])
    return total / len(states) if combine == "mean" else total


@torch.inference_mode()
def pool_units(states: Tensor, units: Units, cut: Windows, pieces: Pieces) -> Tensor:
    """Return the vector of each unit, [units, size]; 0 for a unit without tokens."""
    tokens = states[_on(states, _Rows(units.lengths, cut).tokens)]
    counts = units.pieces
    if (counts == 1).all():
        return tokens
    vectors = states.new_zeros(len(counts), states.shape[1])
    some = np.flatnonzero(counts)
    if pieces == "first":
        found = tokens[_on(states, (np.cumsum(counts) - counts)[some])]
    else:
        found = torch.segment_reduce(tokens, "mean", lengths=_on(states, counts[some]), axis=0)
    vectors[_on(states, some)] = found
    return vectors


@torch.inference_mode()
def pool_texts(states: Tensor, units: Units, cut: Windows, pooling: Pooled) -> Tensor:
    """Return a vector for each text, [texts, size].

    Mean and maximum count [CLS] and [SEP] in, those of every window of a text; its [CLS] is
    the mean of its windows'.
    """
    rows = _Rows(units.lengths, cut)
    if pooling == "cls":
        states = states[_on(states, ranges(rows.firsts, rows.windows))]
        return torch.segment_reduce(states, "mean", lengths=_on(states, rows.windows), axis=0)
    return torch.segment_reduce(states, pooling, lengths=_on(states, rows.lengths), axis=0)


def _on(states: Tensor, numbers: Ints) -> Tensor:
    return torch.from_numpy(numbers).to(states.device)
