"""Texts written by a language model: the likeliest tokens, drawn ones, or the best of beams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from gloze.core.errors import ConfigError, DataError
from gloze.core.rng import sample_keys, uniform
from gloze.core.settings import Settings, refuse_idle
from gloze.inference.beams import search
from gloze.inference.growing import Growing, language_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from gloze.core.batch import Ints
    from gloze.inference.beams import Written
    from gloze.inference.model import Model
    from gloze.tokenizers import Tokenizer

# Sequences that grow at once: enough to keep the products busy.
_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class GenerationConfig(Settings):
    """How the next token is chosen, and when to stop.

    Attributes:
        max_tokens: most tokens that are written.
        temperature: over 1 flattens the distribution, under 1 sharpens it; 0 takes the likeliest
            token each time.
        top_k: draw among so many of the likeliest alone (Fan et al. 2018, 5.4).
        top_p: draw among the fewest of the likeliest that have this probability together
            (Holtzman et al. 2020, 3.1); after ``top_k``.
        num_beams: over 1 searches for the likeliest whole text, with so many beginnings at once.
        length_penalty: of beams: log-probabilities are divided by the number of tokens to this
            power, so over 0 favours long texts, and under 0 short ones.
        num_samples: texts for each beginning; of beams the best ones.
        seed: the same gives the same texts.
    """

    max_tokens: int = 50
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    num_beams: int = 1
    length_penalty: float = 1.0
    num_samples: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("max_tokens", "top_k", "num_beams", "num_samples"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1.")
        if not self.temperature >= 0:
            raise ConfigError(f"temperature is {self.temperature}; it must be 0 or more.")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p is {self.top_p}; it must be over 0 and at most 1.")
        drawing = ("top_k", "top_p")
        if self.num_beams > 1:
            cure = "beams take the likeliest text. Leave it out, or set num_beams to 1."
            refuse_idle("generation", self, ("temperature", *drawing), cure)
            if self.num_samples > self.num_beams:
                raise ConfigError(
                    f"num_samples is {self.num_samples}, and {self.num_beams} beams end with as "
                    "many texts: raise num_beams."
                )
            return
        refuse_idle("generation", self, ("length_penalty",), "it is of beams. Set num_beams.")
        if self.temperature == 0:
            cure = "temperature 0 takes the likeliest token each time, and nothing is drawn."
            refuse_idle("generation", self, (*drawing, "num_samples"), cure)


@dataclass(frozen=True)
class Continuation:
    """How a text goes on.

    Attributes:
        text: what was written, without the beginning it was given.
        tokens: the same as tokens, with the one that ends it.
        log_probability: natural logarithm, summed over the tokens, of their probability to the
            model itself, whatever was drawn from.
        is_ended: whether the model ended it; else it was cut.
    """

    text: str
    tokens: tuple[str, ...]
    log_probability: float
    is_ended: bool


def generate(
    model: Model, prompts: Sequence[str], config: GenerationConfig | None = None
) -> list[list[Continuation]]:
    """Return for each beginning of a text how the model goes on, in their order.

    What is drawn for a beginning depends on the seed and on its place in the list, not on the
    others.

    Args:
        model: that predicts from left to right.
        prompts: beginnings; an empty one is the start of a text.
        config: how to choose.

    Raises:
        ConfigError: if the model does not predict the next token, or something is no text.
        DataError: if a beginning leaves no room for a token.
    """
    config = config or GenerationConfig()
    if isinstance(prompts, str) or any(not isinstance(each, str) for each in prompts):
        raise ConfigError("generate takes a list of beginnings of texts.")
    language_head(model)
    beginnings = [_beginning(model, prompt) for prompt in prompts]
    rows = config.num_beams if config.num_beams > 1 else config.num_samples
    together = max(1, _AT_ONCE // rows)
    found: list[list[Continuation]] = []
    for first in range(0, len(beginnings), together):
        some = beginnings[first : first + together]
        written = (
            _search(model, some, config)
            if config.num_beams > 1
            else (_draw(model, some, config, first))
        )
        found += [
            [_told(model.tokenizer, start, each) for each in texts]
            for start, texts in zip(some, written, strict=True)
        ]
    return found


def _beginning(model: Model, prompt: str) -> Ints:
    tokenizer = model.tokenizer
    ids = np.r_[model.start_id, tokenizer.encode([prompt])[0]].astype(np.int64)
    if len(ids) >= model.max_length:
        raise DataError(
            f"the beginning {prompt[:40]!r}... has {len(ids)} tokens, and this model takes "
            f"{model.max_length} with what it writes: shorten it."
        )
    return ids


def _room(model: Model, beginning: Ints, config: GenerationConfig) -> int:
    return min(config.max_tokens, model.max_length - len(beginning))


def _search(model: Model, beginnings: list[Ints], config: GenerationConfig) -> list[list[Written]]:
    rooms = [_room(model, ids, config) for ids in beginnings]
    found = search(
        Growing(model, beginnings),
        rooms,
        end=model.tokenizer.end_id,
        beams=config.num_beams,
        length_penalty=config.length_penalty,
    )
    return [texts[: config.num_samples] for texts in found]


def _draw(
    model: Model, beginnings: list[Ints], config: GenerationConfig, first: int
) -> list[list[Written]]:
    """Return what is drawn, or likeliest, token by token.

    Args:
        model: that predicts.
        beginnings: of the texts.
        config: how to choose.
        first: number of the first beginning among all.
    """
    samples, end = config.num_samples, model.tokenizer.end_id
    owners = np.repeat(np.arange(len(beginnings)), samples)
    rooms = [_room(model, beginnings[owner], config) for owner in owners]
    keys = sample_keys(config.seed, 0, np.arange(len(owners)) + first * samples)
    tokens: list[list[int]] = [[] for _ in owners]
    sums, alive = np.zeros(len(owners)), list(range(len(owners)))
    growing = Growing(model, beginnings)
    growing.select(owners.tolist())
    while alive:
        shares = growing.next()
        chosen = pick(shares, config, uniform(keys[alive], len(tokens[alive[0]])))
        sums[alive] += shares.gather(1, chosen[:, None])[:, 0].double().cpu().numpy()
        kept = []
        for row, (number, token) in enumerate(zip(alive, chosen.tolist(), strict=True)):
            tokens[number].append(token)
            if token != end and len(tokens[number]) < rooms[number]:
                kept.append(row)
        alive = [alive[row] for row in kept]
        growing.select(kept)
        if alive:
            growing.grow([tokens[number][-1] for number in alive])
    texts = list(zip(tokens, sums.tolist(), strict=True))
    return [texts[at : at + samples] for at in range(0, len(texts), samples)]


def pick(shares: Tensor, config: GenerationConfig, draws: np.ndarray) -> Tensor:
    """Return the token that each row chooses, [rows].

    Args:
        shares: logarithms of probabilities, [rows, vocab].
        config: how to choose.
        draws: a number in [0, 1) for each row, which decides.
    """
    if config.temperature == 0:
        return shares.argmax(-1)
    ordered, tokens = candidates(shares, config)
    sums = ordered.cumsum(-1)
    # The last sum is 1 but for rounding, so that no draw is past it.
    wanted = torch.from_numpy(draws).to(sums.device)[:, None] * sums[:, -1:]
    places = torch.searchsorted(sums, wanted, right=True).clamp_max(ordered.shape[1] - 1)
    return tokens.gather(1, places)[:, 0]


def candidates(shares: Tensor, config: GenerationConfig) -> tuple[Tensor, Tensor]:
    """Return probabilities to draw by, the largest first, and the tokens they are of.

    Args:
        shares: logarithms of probabilities, [rows, vocab].
        config: temperature, ``top_k`` and ``top_p``, which apply in this order.
    """
    flattened = (shares.double() / config.temperature).softmax(-1)
    ordered, tokens = flattened.sort(dim=-1, descending=True, stable=True)
    if config.top_k is not None:
        ordered, tokens = ordered[:, : config.top_k], tokens[:, : config.top_k]
        ordered = ordered / ordered.sum(-1, keepdim=True)
    if config.top_p < 1:
        # Kept is what those before it do not yet have together.
        before = ordered.cumsum(-1) - ordered
        ordered = ordered * (before < config.top_p)
        ordered = ordered / ordered.sum(-1, keepdim=True)
    return ordered, tokens


def _told(tokenizer: Tokenizer, beginning: Ints, written: Written) -> Continuation:
    tokens, log_probability = written
    is_ended = bool(tokens) and tokens[-1] == tokenizer.end_id
    text = _text_after(tokenizer, beginning[1:].tolist(), tokens[: len(tokens) - is_ended])
    return Continuation(text, tuple(tokenizer.tokens(tokens)), log_probability, is_ended)


def _text_after(tokenizer: Tokenizer, before: list[int], after: list[int]) -> str:
    """Return the text of tokens that follow others; the first may go on with a word of these."""
    begun, whole = tokenizer.decode(before), tokenizer.decode([*before, *after])
    return whole[len(begun) :] if whole.startswith(begun) else tokenizer.decode(after)
