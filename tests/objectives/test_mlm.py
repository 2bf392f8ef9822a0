"""Masking: what is asked, what is shown, and that only the keys have a say."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gloze.core.batch import Samples
from gloze.core.errors import ConfigError, DataError
from gloze.core.rng import sample_keys
from gloze.data.collate import collate
from gloze.data.counts import count_neighbors, count_tokens
from gloze.objectives.mlm import MaskedLM, MaskedLMConfig, MaskTokens
from tests.small import recipe, tokenizer, train_shards


def samples(lengths, *, word_every=1, epoch=0, vocab_size=90):
    """Sequences [CLS] tokens [SEP] of these lengths; a word starts at every such token."""
    draw = np.random.default_rng(1)
    total = sum(lengths)
    ids = draw.integers(5, vocab_size, total)
    starts = np.cumsum([0, *lengths[:-1]])
    special = np.zeros(total, dtype=bool)
    special[starts] = special[np.cumsum(lengths) - 1] = True
    inside = np.concatenate([np.arange(n) for n in lengths])
    index = np.arange(len(lengths))
    return Samples(
        input_ids=np.where(special, 2, ids),
        token_type_ids=np.zeros(total, dtype=np.int64),
        lengths=np.array(lengths),
        is_special=special,
        word_starts=~special & ((inside - 1) % word_every == 0),
        keys=sample_keys(0, epoch, index),
        indices=index,
    )


def mask(given, **config):
    return MaskTokens(MaskedLMConfig(**config), tokenizer())(given)


def sequence_of(given):
    return np.repeat(np.arange(len(given.lengths)), given.lengths)


def test_a_sequence_of_128_asks_for_19_tokens_and_never_for_over_20():
    long = samples([128, 256, 5])
    asked = mask(long).label_positions["mlm"]
    assert np.bincount(sequence_of(long)[asked]).tolist() == [19, 20, 1]


def test_special_tokens_are_never_asked_for():
    given = samples([3, 10, 128] * 20)
    asked = mask(given, rate=1.0, max_predictions=200).label_positions["mlm"]
    assert not given.is_special[asked].any()


def test_labels_are_the_true_tokens_and_all_else_is_untouched():
    given = samples([128] * 50)
    shown = mask(given)
    where = shown.label_positions["mlm"]
    assert np.array_equal(shown.labels["mlm"], given.input_ids[where])
    untouched = np.delete(np.arange(len(given.input_ids)), where)
    assert np.array_equal(shown.input_ids[untouched], given.input_ids[untouched])


def within(count, total, rate, sigmas=3.0):
    """Whether a count is within so many standard errors of its expectation."""
    return abs(count - total * rate) <= sigmas * math.sqrt(total * rate * (1 - rate))


def test_over_a_million_tokens_80_10_10_and_every_place_alike():
    given = samples([128] * 8000)
    shown = mask(given)
    where, labels = shown.label_positions["mlm"], shown.labels["mlm"]
    seen = shown.input_ids[where]
    total, ordinary = len(where), 85
    masked, same = np.count_nonzero(seen == 4), np.count_nonzero(seen == labels)
    # A random token is by chance the true one once in 85 times.
    assert within(masked, total, 0.8)
    assert within(same, total, 0.1 + 0.1 / ordinary)
    assert within(total - masked - same, total, 0.1 * (1 - 1 / ordinary))
    assert total == 19 * 8000
    places = np.bincount(where % 128, minlength=128)[1:127]
    # 126 places: the largest of so many deviations stays under 4 standard errors.
    assert all(within(count, 8000, 19 / 126, 4) for count in places)


def test_random_tokens_are_drawn_evenly_from_the_ordinary_ones():
    given = samples([128] * 8000)
    shown = mask(given, masked_rate=0.0, random_rate=1.0)
    counts = np.bincount(shown.input_ids[shown.label_positions["mlm"]], minlength=90)
    assert not counts[:5].any()
    assert all(within(count, counts.sum(), 1 / 85, 4) for count in counts[5:])


def test_each_epoch_masks_anew_and_the_same_epoch_alike():
    first, again = mask(samples([128] * 20)), mask(samples([128] * 20))
    other = mask(samples([128] * 20, epoch=1))
    assert np.array_equal(first.input_ids, again.input_ids)
    shared = np.intersect1d(first.label_positions["mlm"], other.label_positions["mlm"])
    assert len(shared) < 0.3 * len(first.label_positions["mlm"])


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(3, 60), min_size=2, max_size=12),
    words=st.booleans(),
    data=st.data(),
)
def test_the_company_of_a_sequence_has_no_say_in_its_masking(lengths, words, data):
    given = samples(lengths, word_every=2)
    cut = data.draw(st.integers(1, len(lengths) - 1))
    config = {"whole_words": words, "rate": 0.4}
    whole = mask(given, **config)
    parts = [mask(given.part(0, cut), **config), mask(given.part(cut, len(lengths)), **config)]
    assert np.array_equal(whole.input_ids, np.concatenate([p.input_ids for p in parts]))
    assert np.array_equal(whole.labels["mlm"], np.concatenate([p.labels["mlm"] for p in parts]))


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(3, 80), min_size=1, max_size=12),
    size=st.integers(1, 5),
    rate=st.floats(0.05, 0.9),
)
def test_whole_words_are_asked_for_wholly_or_not_at_all_and_within_the_quota(lengths, size, rate):
    given = samples(lengths, word_every=size)
    asked = np.zeros(len(given.input_ids), dtype=bool)
    asked[mask(given, whole_words=True, rate=rate).label_positions["mlm"]] = True
    word = np.cumsum(given.word_starts | given.is_special)
    per_word = np.bincount(word, asked)
    assert np.all((per_word == 0) | (per_word == np.bincount(word)))
    quota = np.clip(np.rint(np.array(lengths) * rate), 1, 20)
    used = np.bincount(sequence_of(given), asked)
    assert np.all(used <= quota)
    # What is left is too small for any word that remains, or there is none.
    assert np.all((quota - used < size) | (used >= np.array(lengths) - 2 - (size - 1)))


def test_whole_words_over_a_million_tokens_keep_the_rate():
    given = samples([128] * 8000, word_every=3)
    where = mask(given, whole_words=True).label_positions["mlm"]
    # Words of 3 fill 18 of the 19 asked for.
    assert len(where) == 18 * 8000


def test_a_segment_cut_inside_a_word_starts_with_its_rest():
    given = samples([10], word_every=3)
    cut = replace(given, word_starts=np.roll(given.word_starts, 1) & ~given.is_special)
    asked = mask(cut, whole_words=True, rate=0.9).label_positions["mlm"]
    assert 1 in asked


def test_vectors_that_spell_the_right_answer_give_a_loss_near_zero():
    encoder = recipe().encoder.build(90)
    head = MaskedLM(encoder)
    with torch.no_grad():
        table = torch.nn.functional.normalize(torch.randn(90, 32), dim=-1)
        encoder.token_embeddings.weight.copy_(table * 40)
        head.transform = torch.nn.Identity()
        shown = mask(samples([20, 30]))
        batch = collate(shown)
        hidden = torch.zeros(50, 32)
        hidden[batch.label_positions["mlm"]] = table[batch.labels["mlm"]]
        mark = head([hidden], batch)
    assert mark.loss < 1e-3 * len(batch.labels["mlm"])
    assert mark.correct == len(batch.labels["mlm"])


def test_only_the_bias_belongs_to_the_output():
    encoder = recipe().encoder.build(90)
    assert [n for n, _ in MaskedLM(encoder).output.named_parameters()] == ["bias"]


def test_impossible_shares_are_refused():
    with pytest.raises(ConfigError, match=r"masked_rate 0.9 \+ random_rate 0.2 is over 1"):
        MaskedLMConfig(masked_rate=0.9, random_rate=0.2)
    with pytest.raises(ConfigError, match=r"rate 0\.0 must be over 0"):
        MaskedLMConfig(rate=0.0)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return train_shards(tmp_path_factory.mktemp("data"), 200)


def noised(given, shards, **config):
    settings = MaskedLMConfig(masked_rate=0.0, random_rate=1.0, **config)
    return MaskTokens(settings, tokenizer(), shards)(given)


@pytest.mark.parametrize("noise", ["unigram", "histories"])
def test_noise_is_drawn_in_proportion_to_its_counts(shards, noise):
    given = samples([128] * 4000)
    shown = noised(given, shards, noise=noise)
    seen = np.bincount(shown.input_ids[shown.label_positions["mlm"]], minlength=90)
    found = count_tokens(shards) if noise == "unigram" else count_neighbors(shards).histories
    shares = found * (np.arange(90) >= 5)
    shares = shares / shares.sum()
    assert not seen[shares == 0].any()
    assert all(within(n, seen.sum(), p, 4) for n, p in zip(seen, shares, strict=True) if p)


def test_kneser_ney_chooses_tokens_by_the_share_of_different_ones_after_them(shards):
    """One token is asked for of each sequence, so chances are those of a single draw."""
    given = samples([12] * 30000)
    found = count_neighbors(shards)
    odds = np.ones(90)
    known = found.followed > 0
    odds[known] = found.continuations[known] / found.followed[known]
    shown = noised(given, shards, choice="continuations", max_predictions=1)
    asked = np.bincount(shown.labels["mlm"], minlength=90)
    rows = odds[given.input_ids.reshape(-1, 12)[:, 1:-1]]
    chances = (rows / rows.sum(1, keepdims=True)).ravel()
    ids = given.input_ids.reshape(-1, 12)[:, 1:-1].ravel()
    expected = np.bincount(ids, chances, minlength=90)
    spread = np.sqrt(np.bincount(ids, chances * (1 - chances), minlength=90))
    assert asked.sum() == 30000
    assert np.all(np.abs(asked - expected) <= 4 * spread)
    assert expected.max() > 3 * expected[expected > 0].min()


def test_noise_keeps_the_rate_and_the_labels(shards):
    given = samples([128] * 50)
    for whole_words in (False, True):
        config = {"choice": "continuations", "noise": "histories", "whole_words": whole_words}
        shown = noised(given, shards, **config)
        where = shown.label_positions["mlm"]
        assert len(where) == 19 * 50
        assert np.array_equal(shown.labels["mlm"], given.input_ids[where])
        assert not given.is_special[where].any()


def test_the_company_of_a_sequence_has_no_say_in_its_noise(shards):
    given = samples([20, 30, 40, 25])
    config = {"choice": "continuations", "noise": "unigram"}
    whole = noised(given, shards, **config)
    parts = [noised(given.part(0, 2), shards, **config), noised(given.part(2, 4), shards, **config)]
    assert np.array_equal(whole.input_ids, np.concatenate([p.input_ids for p in parts]))


def test_noise_that_cannot_be_drawn_or_is_not_shown_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"noise 'unigram' does nothing where random_rate is 0"):
        MaskedLMConfig(random_rate=0.0, noise="unigram")
    lone = SimpleNamespace(
        vocab_size=90,
        num_tokens=2,
        tokens=np.array([7, 8]),
        sentences=np.array([0, 1, 2]),
        documents=np.array([0, 1, 2]),
    )
    with pytest.raises(DataError, match="nothing to draw noise 'histories' from"):
        noised(samples([5]), lone, noise="histories")
