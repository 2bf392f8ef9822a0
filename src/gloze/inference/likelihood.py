"""How likely texts are to a language model: for minimal pairs, and for choosing among texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from gloze.core.errors import ConfigError, DataError
from gloze.inference.batches import batches
from gloze.inference.growing import language_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from gloze.core.batch import Ints
    from gloze.inference.model import Model

# Rows whose scores over the whole vocabulary are held at once.
_ROWS = 1024


@torch.inference_mode()
def log_likelihoods(
    model: Model, texts: Sequence[str], *, with_end: bool = False
) -> npt.NDArray[np.float64]:
    """Return for each text the sum of its tokens' log-probabilities, [texts], in their order.

    Logarithms are natural. The token that a text begins with, [CLS] or what a stream puts between
    texts, is given; each further one is predicted from those before it.

    Example: ``log_likelihoods(gloze.load("runs/gpt"), ["the cats sleep", "the cats sleeps"])``

    Args:
        model: that predicts from left to right.
        texts: of any number, in any order; each within :attr:`Model.max_length` tokens.
        with_end: count that the text ends there as well, by the [SEP] after it.

    Raises:
        ConfigError: if the model does not predict the next token, or something is no text.
        DataError: if a text is too long.
    """
    if isinstance(texts, str) or any(not isinstance(text, str) for text in texts):
        raise ConfigError("log_likelihoods takes a list of texts.")
    head, sums = language_head(model), np.zeros(len(texts))
    sequences = _sequences(model, texts, with_end)
    for chosen, batch in batches(sequences, max_tokens=model.tokens_at_once):
        states = model.hidden_states(batch)[-1]
        starts = batch.cu_seqlens.long()
        asked = torch.ones(batch.num_tokens, dtype=torch.bool)
        asked[starts[1:] - 1] = False
        places = torch.nonzero(asked)[:, 0]
        found = np.concatenate(
            [np.zeros(0), *_of_tokens(model, head, states, places, batch.input_ids)]
        )
        lengths = (starts[1:] - starts[:-1] - 1).numpy()
        owner = np.repeat(np.arange(len(chosen)), lengths)
        sums[chosen] = np.bincount(owner, found, minlength=len(chosen))
    return sums


def _of_tokens(
    model: Model, head: torch.nn.Module, states: Tensor, places: Tensor, ids: Tensor
) -> list[npt.NDArray[np.float64]]:
    """Return the log-probability of the token after each of these places, block by block."""
    found = []
    for block in places.split(_ROWS):
        scores: Tensor = head.scores(states[block.to(states.device)])  # type: ignore[operator]
        shares = scores[:, : model.tokenizer.vocab_size].float().log_softmax(-1)
        right = shares.gather(1, ids[block + 1, None].to(shares.device))
        found.append(right[:, 0].double().cpu().numpy())
    return found


def _sequences(model: Model, texts: Sequence[str], with_end: bool) -> list[Ints]:
    """Return the token ids of each text behind the token it begins with.

    Raises:
        DataError: if there is no position for the last token of one.
    """
    tokenizer = model.tokenizer
    ids, lengths = tokenizer.encode(texts)
    end = [tokenizer.end_id] if with_end else []
    found = []
    for number, part in enumerate(np.split(ids, np.cumsum(lengths)[:-1])):
        sequence = np.array([model.start_id, *part.tolist(), *end], dtype=np.int64)
        if len(sequence) > model.max_length:
            raise DataError(
                f"text {number + 1} has {len(sequence)} tokens, {texts[number][:40]!r}...; this "
                f"model takes {model.max_length}: shorten it."
            )
        found.append(sequence)
    return found[: len(texts)]
