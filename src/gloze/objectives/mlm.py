"""The masked language model: hide some tokens, ask for them (Devlin et al. 2019, 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from gloze.core.batch import Batch, Bools, Ints, Samples
from gloze.core.contracts import BertEncoder, Mark, Objective
from gloze.core.errors import ConfigError, DataError
from gloze.core.ranges import places
from gloze.core.rng import Keys, derive, integers, mix, uniform
from gloze.core.settings import Settings
from gloze.nn.rows import round_up_rows
from gloze.nn.token_head import TokenHead
from gloze.objectives.noise import Choice, Noise, noise_odds

if TYPE_CHECKING:
    from gloze.data.shards import Shards
    from gloze.tokenizers.tokenizer import Tokenizer

_CHOICE, _SHOWN, _OTHER = derive("mlm choice"), derive("mlm shown"), derive("mlm other")


@dataclass(frozen=True, kw_only=True)
class MaskedLMConfig(Settings):
    """Which tokens are asked about and what is shown instead.

    Attributes:
        rate: share of tokens asked about, [CLS] and [SEP] counted in as in BERT's own script.
        masked_rate: of those, the share shown as [MASK].
        random_rate: of those, the share shown as another token; the rest is shown unchanged.
        max_predictions: most tokens asked about in one sequence.
        whole_words: choose words and ask about all tokens of each.
        choice: ``even`` chooses all tokens alike; ``continuations`` in proportion to the share of
            different tokens among those that follow them in the shards.
        noise: what other token is shown: ``uniform`` any alike, ``unigram`` as frequent as in
            the shards, ``histories`` in proportion to how many different ones go before it.
        weight: of this loss in the sum of objectives.
    """

    rate: float = 0.15
    masked_rate: float = 0.8
    random_rate: float = 0.1
    max_predictions: int = 20
    whole_words: bool = False
    choice: Choice = "even"
    noise: Noise = "uniform"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise ConfigError(f"mlm: rate {self.rate} must be over 0 and at most 1.")
        if min(self.masked_rate, self.random_rate) < 0 or self.masked_rate + self.random_rate > 1:
            raise ConfigError(
                f"mlm: masked_rate {self.masked_rate} + random_rate {self.random_rate} is over 1. "
                "What is left is shown unchanged, so lower one of them."
            )
        if self.max_predictions < 1:
            raise ConfigError(f"mlm: max_predictions {self.max_predictions} must be at least 1.")
        if self.noise != "uniform" and not self.random_rate:
            raise ConfigError(
                f"mlm: noise {self.noise!r} does nothing where random_rate is 0: no token is shown "
                "as another. Set random_rate, or leave noise out."
            )

    def build(
        self,
        encoder: BertEncoder,
        tokenizer: Tokenizer,
        initializer_range: float = 0.02,
        train: Shards | None = None,
    ) -> Objective:
        """Return the objective with a head of random weights.

        Args:
            encoder: whose states the head reads.
            tokenizer: whose tokens are asked about.
            initializer_range: of the head's weights.
            train: shards to count in, where ``choice`` or ``noise`` go by counts.
        """
        head = MaskedLM(encoder, initializer_range)
        return Objective("mlm", self.weight, MaskTokens(self, tokenizer, train), head)


class MaskTokens:
    """Chooses tokens, keeps them as labels and disguises most of them.

    A pure function of the samples and their keys, so each epoch masks anew and no worker,
    order or batch boundary has a say.
    """

    def __init__(
        self, config: MaskedLMConfig, tokenizer: Tokenizer, train: Shards | None = None
    ) -> None:
        self.config = config
        self.mask_id = tokenizer.mask_id
        special = np.array(tokenizer.special_ids, dtype=np.int64)
        self.ordinary_ids = np.setdiff1d(np.arange(tokenizer.vocab_size), special)
        self.odds, shares = noise_odds(config.choice, config.noise, train)
        self.noise_ends = None if shares is None else np.cumsum(shares[self.ordinary_ids])
        if self.noise_ends is not None and not self.noise_ends[-1]:
            raise DataError(f"these shards have nothing to draw noise {config.noise!r} from.")

    def __call__(self, samples: Samples) -> Samples:
        """Return the samples as they are shown, with the true tokens as labels."""
        sequence = np.repeat(np.arange(len(samples.lengths)), samples.lengths)
        token_keys = mix(samples.keys)[sequence] + places(samples.lengths).astype(np.uint64)
        quota = np.clip(
            np.rint(samples.lengths * self.config.rate).astype(np.int64),
            1,
            self.config.max_predictions,
        )
        choose = _choose_words if self.config.whole_words else _choose_tokens
        score = uniform(token_keys, _CHOICE)
        if self.odds is not None:
            # The smallest of -log(u) / odds come first as if drawn by odds, one after the other.
            score = -np.log1p(-score) / self.odds[samples.input_ids]
        positions = np.flatnonzero(choose(samples, sequence, score, quota))
        keys = token_keys[positions]
        labels = samples.input_ids[positions]
        shown = labels.copy()
        fate = uniform(keys, _SHOWN)
        masked, random = self.config.masked_rate, self.config.random_rate
        shown[fate < masked] = self.mask_id
        other = (fate >= masked) & (fate < masked + random)
        shown[other] = self._others(keys[other])
        input_ids = samples.input_ids.copy()
        input_ids[positions] = shown
        return replace(samples, input_ids=input_ids).with_labels("mlm", labels, positions)

    def _others(self, keys: Keys) -> Ints:
        """Draw an ordinary token for each key."""
        if self.noise_ends is None:
            return self.ordinary_ids[integers(keys, len(self.ordinary_ids), _OTHER)]
        drawn = uniform(keys, _OTHER) * self.noise_ends[-1]
        return self.ordinary_ids[np.searchsorted(self.noise_ends, drawn, side="right")]


def _rank(group: Ints, score: np.ndarray, members: Ints) -> Ints:
    """Rank ``members`` by score inside their group; groups are numbered in ascending order."""
    order = np.lexsort((score[members], group[members]))
    sizes = np.bincount(group[members], minlength=int(group.max(initial=-1)) + 1)
    ranks = np.empty(len(members), dtype=np.int64)
    ranks[order] = places(sizes)
    return ranks


def _choose_tokens(samples: Samples, sequence: Ints, score: np.ndarray, quota: Ints) -> Bools:
    """Choose the ``quota`` ordinary tokens of each sequence whose scores are lowest."""
    chosen = np.zeros(len(sequence), dtype=bool)
    ordinary = np.flatnonzero(~samples.is_special)
    ranks = _rank(sequence, score, ordinary)
    chosen[ordinary] = ranks < quota[sequence[ordinary]]
    return chosen


def _choose_words(samples: Samples, sequence: Ints, score: np.ndarray, quota: Ints) -> Bools:
    """Choose words by the score of their first token; one over the quota is passed over.

    All sequences take their first word at once, then their second, and so on.
    """
    ordinary = ~samples.is_special
    # A segment cut inside a word begins with its rest: that rest is a word here.
    begins = ordinary & (samples.word_starts | np.r_[True, samples.is_special[:-1]])
    starts = np.flatnonzero(begins)
    word = np.cumsum(begins) - 1
    sizes = np.bincount(word[ordinary], minlength=len(starts))
    ranks = _rank(sequence, score, starts)
    taken = np.zeros(len(starts), dtype=bool)
    left = quota.copy()
    by_rank = np.argsort(ranks, kind="stable")
    edges = np.searchsorted(ranks[by_rank], np.arange(int(ranks.max(initial=-1)) + 2))
    for first, last in pairwise(edges):
        turn = by_rank[first:last]
        owner = sequence[starts[turn]]
        fits = sizes[turn] <= left[owner]
        taken[turn] = fits
        left[owner] -= np.where(fits, sizes[turn], 0)
    return np.asarray(ordinary & taken[word]) if len(starts) else ordinary


class MaskedLM(TokenHead):
    """Guesses at the asked positions only."""

    def forward(self, hidden_states: list[Tensor], batch: Batch) -> Mark:
        """Return the summed loss and the number of right guesses."""
        asked = round_up_rows(batch.label_positions["mlm"])
        return self.mark(hidden_states[-1].index_select(0, asked), batch.labels["mlm"])
