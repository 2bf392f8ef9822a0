"""How likely texts are to a language model: for minimal pairs, and for choosing among texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from gloze.core.errors import ConfigError, DataError
from gloze.core.ranges import ranges
from gloze.inference.batches import batches
from gloze.tokenizers.spelling import spell_marks, spell_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from gloze.core.batch import Ints
    from gloze.inference.model import Model
    from gloze.tokenizers.spelling import Spelled

Floats = npt.NDArray[np.float64]

# Rows whose scores over the whole vocabulary are held at once.
_ROWS = 1024
# Tokens of texts with one token hidden at a time that are laid out at once.
_HIDDEN_AT_ONCE = 1 << 20
_WAYS = {
    "left_to_right": ("left_to_right",),
    "right_to_left": ("right_to_left",),
    "two_way": ("left_to_right", "right_to_left"),
}


@dataclass(frozen=True)
class Likelihoods:
    """How likely texts are.

    Attributes:
        sums: of the natural logarithms of what each token of a text was given, [texts].
        tokens: that each sum is over, [texts]; a two-way model gives each token two.
    """

    sums: Floats
    tokens: Ints


@torch.inference_mode()
def log_likelihoods(
    model: Model, texts: Sequence[str], *, with_end: bool = False, within_word_l2r: bool = False
) -> Likelihoods:
    """Return the sum of each text's log-probabilities, token by token, in the order of the texts.

    A model of one direction predicts each token from those before it, or from those after it; what
    a text begins with, [CLS] or what a stream puts between texts, or the [SEP] it ends with, is
    given. Of a two-way model both sums are added. A masked LM has each token hidden in turn and
    guesses it from all others (pseudo-log-likelihood, Salazar et al. 2020, 2.1), which is no
    probability of the text: compare it with its own kind alone.

    Example: ``log_likelihoods(gloze.load("runs/gpt"), ["the cats sleep", "the cats sleeps"]).sums``

    Args:
        model: with a head of a language model, or of a masked one.
        texts: of any number, in any order; each within :attr:`Model.max_length` tokens.
        with_end: count that the text ends there as well, by the [SEP] after it; of what is read
            from right to left that it begins there.
        within_word_l2r: of a masked LM hide with each token the later ones of its word, which
            would give it away (Kauf and Ivanova 2023).

    Raises:
        ConfigError: if the model has no such head, a setting is not of its kind, or something is
            no text.
        DataError: if a text is too long.
    """
    if isinstance(texts, str) or any(not isinstance(text, str) for text in texts):
        raise ConfigError("log_likelihoods takes a list of texts.")
    direction = model.encoder.config.direction
    is_masked = direction == "bidirectional"
    head: Any = model.heads.get("mlm" if is_masked else "lm")
    if head is None:
        raise ConfigError(
            "This model does not say how likely texts are: it has no head of a language model, or "
            "of a masked one."
        )
    if is_masked and with_end:
        raise ConfigError("with_end is of models of one direction; this one is a masked LM.")
    if within_word_l2r and not is_masked:
        raise ConfigError(f"within_word_l2r is of masked LMs; this model is {direction}.")
    sums, tokens = np.zeros(len(texts)), np.zeros(len(texts), dtype=np.int64)
    asked = (
        _hidden_in_turn(model, texts, within_word_l2r)
        if is_masked
        else _one_way(model, texts, direction, head.size, with_end)
    )
    for states, right, owners in asked:
        np.add.at(sums, owners, _log_probabilities(model, head, states, right))
        np.add.at(tokens, owners, 1)
    return Likelihoods(sums, tokens)


def _log_probabilities(model: Model, head: Any, states: Tensor, right: Ints) -> Floats:
    """Return the log-probability of the right token for each state, block by block."""
    found = [np.zeros(0)]
    for block, ids in zip(states.split(_ROWS), torch.from_numpy(right).split(_ROWS), strict=True):
        # A table may have rows that stand for no token, to make its size a round one; or lack
        # those of rare words, which are then unknown ones.
        scores = head.scores(block)[:, : model.tokenizer.vocab_size].float()
        known = torch.where(ids < scores.shape[1], ids, model.tokenizer.unk_id)
        chosen = scores.log_softmax(-1).gather(1, known[:, None].to(scores.device))
        found.append(chosen[:, 0].double().cpu().numpy())
    return np.concatenate(found)


def _one_way(
    model: Model, texts: Sequence[str], direction: str, size: int, with_end: bool
) -> Iterator[tuple[Tensor, Ints, Ints]]:
    """Yield states, the tokens next to theirs on the other side, and the texts they are of.

    Args:
        model: that reads.
        texts: to be read.
        direction: of the model.
        size: of the states of one way; those of two are side by side.
        with_end: ask for what stands at the far edge of a text as well.
    """
    ways = _WAYS[direction]
    begins, ends = (with_end or way in ways for way in ("left_to_right", "right_to_left"))
    sequences = _sequences(model, texts, begins, ends)
    characters = _characters(model, texts, begins, ends)
    # Read for the other way, and not asked for.
    spare = int(begins and ends and not with_end)
    for chosen, batch in batches(sequences, max_tokens=model.tokens_at_once, characters=characters):
        states, starts = model.hidden_states(batch)[-1], batch.cu_seqlens.long().numpy()
        ids, sizes = batch.input_ids.numpy(), np.diff(starts) - 1 - spare
        for way, own in zip(ways, states.split(size, dim=1), strict=True):
            is_forward = way == "left_to_right"
            places = ranges(starts[:-1] + (0 if is_forward else 1 + spare), sizes)
            rows = own[torch.from_numpy(places).to(own.device)]
            yield rows, ids[places + (1 if is_forward else -1)], np.repeat(chosen, sizes)


def _hidden_in_turn(
    model: Model, texts: Sequence[str], within_word: bool
) -> Iterator[tuple[Tensor, Ints, Ints]]:
    """Yield the states of hidden tokens, these tokens, and the texts they are of."""
    sequences = _sequences(model, texts, True, True)
    sizes = np.array([(len(ids) - 2) * len(ids) for ids in sequences], dtype=np.int64)
    blocks = np.cumsum(sizes) // _HIDDEN_AT_ONCE
    for block in np.unique(blocks):
        numbers = np.flatnonzero(blocks == block)
        copies = [
            row for number in numbers for row in _copies(model, sequences[number], within_word)
        ]
        lengths = np.array([len(sequences[number]) - 2 for number in numbers])
        owners, places = np.repeat(numbers, lengths), ranges(np.ones_like(lengths), lengths)
        right = np.concatenate([sequences[number][1:-1] for number in numbers])
        for chosen, batch in batches(copies, max_tokens=model.tokens_at_once):
            states = model.hidden_states(batch)[-1]
            rows = batch.cu_seqlens[:-1].long() + torch.from_numpy(places[chosen])
            yield states[rows.to(states.device)], right[chosen], owners[chosen]


def _copies(model: Model, sequence: Ints, within_word: bool) -> Ints:
    """Return a sequence once for each of its tokens, with that one hidden, [tokens, length]."""
    tokens = sequence[1:-1]
    places = np.arange(len(tokens))
    is_hidden = places == places[:, None]
    if within_word:
        words = np.cumsum(model.tokenizer.word_starts(tokens))
        is_hidden = (places >= places[:, None]) & (words == words[:, None])
    found = np.tile(sequence, (len(tokens), 1))
    found[:, 1:-1][is_hidden] = model.tokenizer.mask_id
    return found


def _sequences(model: Model, texts: Sequence[str], begins: bool, ends: bool) -> list[Ints]:
    """Return the token ids of each text, between what it begins and what it ends with.

    Raises:
        DataError: if there is no position for the last token of one.
    """
    tokenizer = model.tokenizer
    ids, lengths = tokenizer.encode(texts)
    first, last = [model.start_id] * begins, [tokenizer.end_id] if ends else []
    found = []
    for number, part in enumerate(np.split(ids, np.cumsum(lengths)[:-1])[: len(texts)]):
        sequence = np.array([*first, *part.tolist(), *last], dtype=np.int64)
        if len(sequence) > model.max_length:
            raise DataError(
                f"text {number + 1} has {len(sequence)} tokens, {texts[number][:40]!r}...; this "
                f"model takes {model.max_length}: shorten it."
            )
        found.append(sequence)
    return found


def _characters(
    model: Model, texts: Sequence[str], begins: bool, ends: bool
) -> list[Spelled] | None:
    """Return the characters of each token of these sequences, if they are read."""
    size = model.num_bytes
    if size is None:
        return None
    begin, end = spell_marks(size)[:, None]
    first = end if model.start_id == model.tokenizer.sep_id else begin
    return [
        np.concatenate([first, spell_texts(model.tokenizer, [text], size), end])[
            0 if begins else 1 : None if ends else -1
        ]
        for text in texts
    ]
